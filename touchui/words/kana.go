package words

import "strings"

// Kana writes the kanji that names of drinks are made of as they are spoken: for a keyboard that has kana only, and for a
// voice that spells out what it cannot read.
func Kana(s string) string { return readings.Replace(s) }

// readings are the kanji in names of drinks as they are spoken.
var readings = strings.NewReplacer(
	"紅茶", "こうちゃ", "緑茶", "りょくちゃ", "烏龍茶", "うーろんちゃ", "烏龍", "うーろん", "麦茶", "むぎちゃ", "茶", "ちゃ",
	"炭酸水", "たんさんすい", "天然水", "てんねんすい", "炭酸", "たんさん", "果汁", "かじゅう", "果樹園", "かじゅえん",
	"果実", "かじつ", "無糖", "むとう", "洋梨", "ようなし", "梨", "なし", "桃", "もも", "柚子", "ゆず", "生姜", "しょうが",
	"蜂蜜", "はちみつ", "電解質", "でんかいしつ", "浄水", "じょうすい", "水", "みず", "塩", "しお", "日陰", "ひかげ",
	"木陰", "こかげ", "夕暮れ", "ゆうぐれ", "朝", "あさ", "深夜", "しんや", "南国", "なんごく", "生け垣", "いけがき",
	"終点", "しゅうてん", "車両", "しゃりょう", "工房", "こうぼう", "引き出し", "ひきだし", "静か", "しずか", "白", "しろ",
	"黒", "くろ", "赤", "あか", "紫", "むらさき", "大麦", "おおむぎ", "味", "あじ",
)

package rules

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

var input = Input{
	Topic: "c/u1", ClientID: "u1", At: time.UnixMilli(1234),
	Payload: []byte(`{"a":{"b":7,"list":[1,{"k":"v"}]},"c":"x","big":9007199254740993,"f":10.0,"t":true,"n":null,"s":"5","color":"red","temperature":50,"enc":"eyAidGVtcGVyYXR1cmUiOiAzMyB9Cg=="}`),
}

func run(t *testing.T, sql string, in Input) (string, error) {
	t.Helper()
	q, err := ParseQuery(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	b, err := q.Run(in)
	return string(b), err
}

func TestSelect(t *testing.T) {
	for _, tc := range []struct{ sql, want string }{
		{`select topic(2) as thing, topic() as t, timestamp() as at, clientid() as id from 'c/+'`, `{"at":1234,"id":"u1","t":"c/u1","thing":"u1"}`},
		{`SELECT a.b AS n, c, 'text' AS s, 1.5 AS f`, `{"c":"x","f":1.5,"n":7,"s":"text"}`},
		{`SELECT nothing.there AS n, topic(9) AS t, 1 AS one`, `{"one":1}`},
		{`SELECT f, big`, `{"big":9007199254740993,"f":10}`}, // whole numbers are integers
		{`SELECT *, topic(2) AS c FROM 'x'`, strings.Replace(strings.Replace(canonical(t, string(input.Payload)), `"c":"x"`, `"c":"u1"`, 1), "10.0", "10", 1)},
		{`SELECT * FROM 'x'`, canonical(t, strings.Replace(string(input.Payload), "10.0", "10", 1))},
		// AWS's own examples.
		{`SELECT color AS my_color, temperature AS fahrenheit FROM 'topic/subtopic'`, `{"fahrenheit":50,"my_color":"red"}`},
		{`SELECT VALUE color FROM 'topic/subtopic'`, `"red"`},
		{`SELECT (temperature - 32) * 5 / 9 AS celsius, upper(color) AS my_color FROM 'x'`, `{"celsius":10,"my_color":"RED"}`},
		{`SELECT decode(enc, "base64").temperature AS temp FROM 'x'`, `{"temp":33}`},
		{`SELECT {'latitude': get(a.list, 0), 'longitude': a.b} AS lat_long FROM 'x'`, `{"lat_long":{"latitude":1,"longitude":7}}`},
		{`SELECT [a.b, c, nothing] AS l FROM 'x'`, `{"l":[7,"x"]}`},
		{`SELECT CASE color WHEN 'green' THEN 'go' WHEN 'red' THEN 'stop' ELSE 'you are not at a stop light' END AS i FROM 'x'`, `{"i":"stop"}`},
		{`SELECT get(get(a, 'list'), 1).k AS k`, `{"k":"v"}`},
		{`SELECT NULL AS n, n AS m, isNull(n) AS q, isUndefined(nothing) AS u, isUndefined(n) AS w`, `{"m":null,"n":null,"q":true,"u":true,"w":false}`},
		{`SELECT VALUE a.list`, `[1,{"k":"v"}]`},
		{`SELECT VALUE *`, canonical(t, strings.Replace(string(input.Payload), "10.0", "10", 1))},
		{`SELECT VALUE nothing`, ``},
		{`SELECT '<&>' AS s`, `{"s":"<&>"}`},
	} {
		got, err := run(t, tc.sql, input)
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.sql, got, err, tc.want)
		}
	}
}

func canonical(t *testing.T, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExpressions: conversions and Undefined, by the tables of AWS's guide. Undefined shows as nothing.
func TestExpressions(t *testing.T) {
	for _, tc := range []struct{ expr, want string }{
		{`1 + 2`, `3`},
		{`1 + 2.5`, `3.5`},
		{`'a' + 1`, `"a1"`},
		{`1 + 'a'`, `"1a"`},
		{`true + 1`, ``},
		{`'a' + n`, ``},
		{`'a' + nothing`, ``},
		{`c + t`, `"xtrue"`},
		{`7 - 2`, `5`},
		{`'7' - 2`, `5`},
		{`'x' - 2`, ``},
		{`-temperature`, `-50`},
		{`- -1`, `1`},
		{`7 * 1.5`, `10.5`},
		{`7 / 2`, `3`},
		{`-7 / 2`, `-3`},
		{`7 / 2.0`, `3`},
		{`7 / 2.5`, `2.8`},
		{`'7' / 2`, `3.5`},
		{`1 / 0`, ``},
		{`1.5 / 3.1`, `0.4838709677419354838709677419354839`},
		{`7 % 3`, `1`},
		{`-7 % 3`, `-1`},
		{`7.5 % 2`, `1.5`},
		{`1 % 0`, ``},
		{`0.1 + 0.2`, `0.3`},
		{`1e2`, `100`},
		{`1e-3`, `0.001`},
		{`9999999999999999999999999999999999 + 1`, `1e+34`},
		{`1e999 * 10`, ``},
		{`a + 1`, ``},
		{`1 = 1.0`, `true`},
		{`1 = '1'`, `false`},
		{`'a' = 'a'`, `true`},
		{`n = NULL`, `true`},
		{`1 <> 2`, `true`},
		{`1 <> '1'`, `true`},
		{`nothing = 1`, ``},
		{`nothing <> 1`, ``},
		{`a.list = [1, {'k': 'v'}]`, `true`},
		{`a.list = [1]`, `false`},
		{`true = true`, `true`},
		{`1 < 2`, `true`},
		{`'5' > 4`, `true`},
		{`s >= 5`, `true`},
		{`'x' > 4`, ``},
		{`t > 0`, ``},
		{`nothing < 1`, ``},
		{`2 <= 1`, `false`},
		{`true AND false`, `false`},
		{`'TRUE' AND t`, `true`},
		{`true OR nothing`, ``},
		{`1 AND true`, ``},
		{`NOT t`, `false`},
		{`NOT 'false'`, `true`},
		{`NOT 1`, ``},
		{`NOT true OR true`, `true`},
		{`1 + 2 * 3 = 7 AND NOT 2 > 3`, `true`},
		{`(1 + 2) * 3`, `9`},
		{`CASE nothing WHEN 1 THEN 2 ELSE 3 END`, ``},
		{`CASE 1 WHEN 2 THEN 3 END`, ``},
		{`abs(-5)`, `5`},
		{`abs('-5.123')`, `5.123`},
		{`abs(true)`, ``},
		{`ceil(1.2)`, `2`},
		{`ceil(-1.2)`, `-1`},
		{`floor(1.2)`, `1`},
		{`floor(-1.2)`, `-2`},
		{`floor(a.list)`, ``},
		{`round(1.2)`, `1`},
		{`round(1.5)`, `2`},
		{`round(-1.1)`, `-1`},
		{`round(-1.5)`, `-2`},
		{`mod(8, 3)`, `2`},
		{`concat()`, ``},
		{`concat(1)`, `1`},
		{`concat([1, 2, 3], 4)`, `[1,2,3,4]`},
		{`concat([1], "hello", [4, 5])`, `[1,"hello",4,5]`},
		{`concat(1, "hello")`, `"1hello"`},
		{`concat("he", "is", "man")`, `"heisman"`},
		{`concat(1, 2)`, ``},
		{`concat('a', n)`, ``},
		{`length("hi")`, `2`},
		{`length(false)`, `5`},
		{`length('€')`, `1`},
		{`numbytes('€')`, `3`},
		{`length(nothing)`, ``},
		{`lower("HELLO")`, `"hello"`},
		{`lower(["HELLO"])`, `"[\"hello\"]"`},
		{`upper(c)`, `"X"`},
		{`trim("  a b ")`, `"a b"`},
		{"trim('\t a\r\n')", `"a"`},
		{`startswith("ranger", "ran")`, `true`},
		{`endswith("cat", "at")`, `true`},
		{`startswith(n, "a")`, ``},
		{`indexof("abcd", "bc")`, `1`},
		{`indexof("€b", "b")`, `1`},
		{`indexof("a", "z")`, `-1`},
		{`replace("abcdabcd", "b", "x")`, `"axcdaxcd"`},
		{`replace(1234, 2, 9)`, `"1934"`},
		{`substring("012345", 0)`, `"012345"`},
		{`substring("012345", 2)`, `"2345"`},
		{`substring("012345", 2.745)`, `"2345"`},
		{`substring(123, 2)`, `"3"`},
		{`substring("012345", -1)`, `"012345"`},
		{`substring(true, 1.2)`, `"rue"`},
		{`substring(false, -2.411E247)`, `"false"`},
		{`substring("012345", 1, 3)`, `"12"`},
		{`substring("012345", -50, 50)`, `"012345"`},
		{`substring("012345", 3, 1)`, `""`},
		{`substring("a", "x")`, ``},
		{`get("abc", 1)`, `"b"`},
		{`get(a.list, 5)`, ``},
		{`get(a.list, -1)`, ``},
		{`get(a, 'b')`, `7`},
		{`get({'1': 2}, 1)`, ``},
		{`get(7, 0)`, ``},
		{`encode('abc', 'base64')`, `"YWJj"`},
		{`encode(a.b, 'base64')`, `"Nw=="`},
		{`encode(nothing, 'base64')`, ``},
		{`decode('YWJj', 'base64')`, `"abc"`},
		{`decode('%', 'base64')`, `null`},
		{`sql_version()`, `"2016-03-23"`},
		{`topic(1)`, `"c"`},
		{`UNDEFINED`, ``},
	} {
		got, err := run(t, "SELECT VALUE "+tc.expr, input)
		if err != nil || got != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.expr, got, err, tc.want)
		}
	}
	if id, err := run(t, "SELECT VALUE newuuid()", input); err != nil || !regexp.MustCompile(`^"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`).MatchString(id) {
		t.Errorf("newuuid: %s, %v", id, err)
	}
}

func TestWhere(t *testing.T) {
	for where, want := range map[string]bool{
		"temperature > 40 AND color = 'red'": true, "temperature > 50 AND color <> 'red'": false, "nothing > 1": false, "'true'": false, "t": true,
		"temperature": false, "topic(1) = 'c'": true, "isUndefined(nothing)": true, "NOT isUndefined(color)": true,
	} {
		got, err := run(t, "SELECT color FROM 'x' WHERE "+where, input)
		if want && (err != nil || got != `{"color":"red"}`) || !want && !errors.Is(err, ErrNoMatch) {
			t.Errorf("%s: %s, %v", where, got, err)
		}
	}
}

// TestOtherPayloads: what is no JSON object goes on as it is, or is an error where the statement looks into it.
func TestOtherPayloads(t *testing.T) {
	for _, tc := range []struct {
		payload, sql, want string
		err                error
	}{
		{"[1]", "SELECT * FROM 'x'", "[1]", nil},
		{"\x00\xff", "SELECT * FROM 'x'", "\x00\xff", nil},
		{"", "SELECT encode(*, 'base64') AS b FROM 'x'", `{"b":""}`, nil},
		{"\x00\xff", "SELECT encode(*, 'base64') AS b, topic(2) AS t FROM 'x'", `{"b":"AP8=","t":"u1"}`, nil},
		{"[1]", "SELECT *, 1 AS one FROM 'x'", "", errNotObject},
		{"[1]", "SELECT a, 1 AS one FROM 'x'", `{"one":1}`, nil},
		{"{", "SELECT a FROM 'x'", "", errNotJSON},
		{"{", "SELECT * FROM 'x' WHERE a = 1", "", errNotJSON},
		{`{"a":1} x`, "SELECT a FROM 'x'", "", errNotJSON},
	} {
		in := input
		in.Payload = []byte(tc.payload)
		got, err := run(t, tc.sql, in)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%q, %s: %q, %v", tc.payload, tc.sql, got, err)
		}
	}
}

// TestRefused: nothing is ignored, and the message says where it stands.
func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		sql string
		at  int // 0: anywhere
	}{
		{"", 1},
		{"SELECT", 7},
		{"SELECT FROM 'x'", 8},
		{"SELECT topic(2) FROM 'x'", 17},
		{"SELECT * FROM x", 15},
		{"SELECT * FROM 'x", 15},
		{"SELECT * FROM ''", 15},
		{"SELECT * FROM 'a/#/b'", 15},
		{"SELECT * FROM 'a+'", 15},
		{"SELECT * FROM '1/2/3/4/5/6/7/8/9'", 15},
		{"SELECT * FROM '$aws/rules/r/a'", 15},
		{"SELECT a AS b, c AS b", 16},
		{"SELECT topic(0) AS t", 14},
		{"SELECT topic(c) AS t", 14},
		{"SELECT encode(*, 'hex') AS x", 18},
		{"SELECT md5(a) AS x", 8},
		{"SELECT get_thing_shadow('t', 'arn') AS x", 8},
		{"SELECT aws_lambda('arn', *) AS x", 8},
		{"SELECT upper() AS x", 14},
		{"SELECT upper(a, b) AS x", 14},
		{"SELECT upper(*) AS x", 14},
		{"SELECT VALUE a, b FROM 'x'", 17},
		{"SELECT a AS b, * FROM 'x'", 16},
		{"SELECT * FROM 'x';", 18},
		{"SELECT a..b AS c", 10},
		{"SELECT a[0] AS c", 9},
		{"DELETE FROM 'x'", 1},
		{"SELECT 00 AS a", 8},
		{"SELECT 1. AS a", 8},
		{"SELECT 1.2.3 AS a", 8},
		{"SELECT (SELECT a FROM b) AS c FROM 'x'", 9},
		{"SELECT a FROM 'x' WHERE", 24},
		{"SELECT a FROM 'x' WHERE a = 1 = 1", 31},
		{"SELECT a FROM 'x' WHERE a != 1", 27},
		{"SELECT a FROM 'x' WHERE a IN [1]", 27},
		{"SELECT a FROM 'x' WHERE a LIKE 'b'", 27},
		{"SELECT a FROM 'x' GROUP BY a", 19},
		{"SELECT a AS from FROM 'x'", 13},
		{"SELECT CASE a THEN 1 END AS b", 15},
		{"SELECT CASE a WHEN 1 THEN 2 AS b", 29},
		{"SELECT {a: 1} AS b", 9},
		{"SELECT {'a' 1} AS b", 13},
		{"SELECT [1, 2 AS b", 14},
		{"SELECT (1 AS b", 11},
		{"SELECT a; b", 9},
		{"SELECT " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000) + " AS a", 0},
		{"SELECT " + strings.Repeat("NOT ", 1000) + "a AS a", 0},
		{"SELECT " + strings.Repeat("- ", 1000) + "a AS a", 0},
	} {
		_, err := ParseQuery(tc.sql)
		var e *SQLError
		if !errors.As(err, &e) || e.At < 1 || e.At > len(tc.sql)+1 || tc.at > 0 && e.At != tc.at {
			t.Errorf("%.60q: %v, want character %d", tc.sql, err, tc.at)
		}
	}
}

func TestTopic(t *testing.T) {
	for text, want := range map[string]string{
		"plain/topic": "plain/topic", "${topic(2)}": "u1", "unit/${topic(2)}/${upper(color)}": "unit/u1/RED", "$$aws/things/${topic(2)}/shadow/update": "$aws/things/u1/shadow/update",
		"a/${nothing}/b": "a//b", "t/${temperature + 1}": "t/51", "$$aws/things/t/shadow/name/jobs/update": "$aws/things/t/shadow/name/jobs/update",
	} {
		topic, err := ParseTopic(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := topic.make(input); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for text, at := range map[string]int{
		"": 1, "a/${": 4, "a/${topic(2)": 4, "a/${topik(2)}": 5, "a/${topic(2) x}": 14, "${1 +}": 6,
		"$aws/things/x/shadow/update": 1, "$$aws/things/${topic(2)}/jobs/start-next": 1,
	} {
		_, err := ParseTopic(text)
		var e *SQLError
		if !errors.As(err, &e) || e.At != at {
			t.Errorf("%q: %v, want character %d", text, err, at)
		}
	}
}

func FuzzSQL(f *testing.F) {
	f.Add("SELECT *, topic(2) AS thing, timestamp() AS received_ms FROM 'c/+'", []byte(`{"a":1}`))
	f.Add("SELECT encode(*, 'base64') AS batch, 1.5 AS x, a.b.c", []byte(`[]`))
	f.Add("SELECT VALUE CASE a WHEN 1e9 * -b THEN [concat(c, {'k': d})] ELSE substring(get(e, 1), 2, '3') END FROM 'x' WHERE NOT a <> 'b' OR c / 7 % 2 >= 1", []byte(`{"a":"9e99","b":1e-9}`))
	f.Fuzz(func(t *testing.T, sql string, payload []byte) {
		q, err := ParseQuery(sql)
		if err != nil {
			var e *SQLError
			if !errors.As(err, &e) || e.At < 1 || e.At > len(sql)+1 {
				t.Fatalf("error without place: %v", err)
			}
			return
		}
		out, err := q.Run(Input{Topic: "c/u1", Payload: payload})
		switch {
		case errors.Is(err, errNotObject), errors.Is(err, errNotJSON), errors.Is(err, ErrNoMatch):
		case err != nil:
			t.Fatalf("%q ran into %v", sql, err)
		case len(out) > 0 && !json.Valid(out) && string(out) != string(payload):
			t.Fatalf("%q made %s", sql, out)
		}
	})
}

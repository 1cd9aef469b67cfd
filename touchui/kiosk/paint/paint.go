// Package paint draws a tree of Fyne objects into a frame: a display list by tree walk, the difference to the previous
// list as dirty rectangles, each primitive rasterised once by Fyne's own software painter and kept as a texture.
//
//	roots ─► collect (walk, clip, cull, texture lookup) ─► diff ─► dirty rectangles ─► paint (fill, copy, blend) ─► Frame
//
// A Painter belongs to the Fyne thread. It may import touchui/display and Fyne.
package paint

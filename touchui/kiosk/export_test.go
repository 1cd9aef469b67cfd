package kiosk

// Turns is how often the loop woke up. Fyne thread.
func (a *App) Turns() uint64 { return a.loop.turns }

package kiosk

// OnLost calls f when a touch screen is gone, or the display takes no frame: what goes on without a finger can then not be
// stopped, or not be seen. What a finger or a key holds has ended by itself before. InputLost is true meanwhile. Fyne
// thread, as is stop.
func (a *App) OnLost(f func()) (stop func()) {
	a.onLost = append(a.onLost, &f)
	return func() {
		for i, g := range a.onLost {
			if g == &f {
				a.onLost = append(a.onLost[:i:i], a.onLost[i+1:]...)
				return
			}
		}
	}
}

func (a *App) lost() {
	list := a.onLost // f may stop others: that makes a new list
	a.gest.loseInput(func() {
		for _, f := range list {
			(*f)()
		}
	})
}

package main

import (
	"log/slog"

	"fountain/agent/api"
	"fountain/touchui/kiosk"
	"fountain/touchui/screens"
	"fountain/touchui/service"
	"fountain/touchui/sheet"
)

// technicians opens the service screens, and ends what they run when the screen ends. Fyne thread.
type technicians struct {
	app    *kiosk.App
	client *api.Client
	log    *slog.Logger
	last   *service.Service
}

func (t *technicians) open(l *sheet.Look, leave func()) screens.Service {
	t.last = service.New(service.Config{Stage: t.app, Client: t.client, Look: l, Leave: leave, Log: t.log})
	return t.last
}

// close stops an operation or a pour that is still held, and waits until the agent has heard it.
func (t *technicians) close() {
	if t.last == nil {
		return
	}
	t.last.Close()
	t.last.Wait()
}

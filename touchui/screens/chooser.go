package screens

import (
	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
)

// chooser is a page that pours without being the page of one beverage: the mix and low reach. It stands on a pourPage,
// whose dome stays under the finger while everything else changes.
type chooser interface {
	name() string
	lay(s *sheet.Sheet)   // while nothing pours and nothing has been poured
	state() string        // what the page has to be built for
	ask(*api.StartPour)   // completes what is asked of the agent
	more() bool           // what is on the page can still be poured
	pad(*art.DomeStyle)   // dresses the dome while nothing has been poured
	menuChanged()         // while nothing pours
	back()                // leaves the page
	again(*pourPage) page // the same drawn anew
}

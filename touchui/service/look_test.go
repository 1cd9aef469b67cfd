package service

import (
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
)

// somePage is one page to be looked at and judged: how to come there, and what shows that everything has arrived.
type somePage struct {
	name  string
	open  func(*Service)
	ready string // id of an element that is there then
}

func somePages() []somePage {
	at := func(f func(s *Service) page) func(*Service) { return func(s *Service) { s.show(f(s)) } }
	op := func(kind, line string) func(*Service) {
		return func(s *Service) { s.show(newOperation(s, api.StartOp{Kind: kind, Line: line}, s.showHome)) }
	}
	return []somePage{
		{"home", func(s *Service) { s.showHome() }, "service.job.clean"},
		{"menu", func(s *Service) { s.showMenu() }, "service.menu.lines"},
		{"alarms", at(func(s *Service) page { return newAlarms(s) }), "service.alarm.0"},
		{"alarm", at(func(s *Service) page {
			return newAlarm(s, api.Alarm{Name: "meter_dead", Severity: "blocks", Scope: "flow_still", What: "the flow meter flow_still does not count", Evidence: "70 ml by time, 0 pulses", Remedy: "check the meter and its wire, then clear the alarm", Since: fakeDay}, s.showHome)
		}), "service.alarm.clear"},
		{"lines", at(func(s *Service) page { return newLines(s) }), "service.line.s01"},
		{"line", at(func(s *Service) page { return newLine(s, "s07", s.showHome) }), "service.line.swap"},
		{"cartridges", at(func(s *Service) page { return newSlots(s, s.showHome) }), "service.cartridge.s01"},
		{"swap", at(func(s *Service) page { return newSwap(s, "s07", s.showHome) }), "service.swap.out"},
		{"choose", at(func(s *Service) page { return newChoice(s, api.OpCalibrate, s.showHome) }), "service.choose.flow_still"},
		{"clean", at(func(s *Service) page { return newClean(s, "still", s.showHome) }), "service.clean.line-clean"},
		{"selftest", at(func(s *Service) page { return newSelfTest(s) }), "service.selftest.dry"},
		{"rinse", op(api.OpRinse, ""), "service.op.begin"},
		{"confirm", op(api.OpPrime, "s07"), "service.op.yes"},
		{"pour", at(func(s *Service) page { return newTestPour(s, beverage.ID("")) }), "service.title"},
		{"hold", at(func(s *Service) page {
			q := newTestPour(s, beverage.ID("kolvane.zero"))
			q.drink = drink{name: "Kolvane Zero"}
			return q
		}), "service.pour.pad"},
		{"network", at(func(s *Service) page { return newNetwork(s) }), "service.network.proxy"},
		{"proxy", at(func(s *Service) page {
			q := newNetwork(s)
			q.edit = &keyboard{s: s, text: "http://10.0.0.1:3128", most: 120}
			return q
		}), "service.keyboard.q"},
		{"content", at(func(s *Service) page { return newContent(s) }), "service.title"},
		{"display", at(func(s *Service) page { return newDisplayTest(s) }), "service.display.touch"},
		{"logs", at(func(s *Service) page { return newLogs(s) }), "service.logs.warn"},
		{"audit", at(func(s *Service) page { return newAudit(s) }), "service.title"},
		{"diag", at(func(s *Service) page { return newDiag(s) }), "service.diag.qr"},
		{"setup-pin", at(func(s *Service) page { return newSetup(s, api.SetupPIN) }), "service.setup.key.1"},
		{"setup-language", at(func(s *Service) page { return newSetup(s, api.SetupLanguage) }), "service.setup.language.de"},
		{"setup-zone", at(func(s *Service) page { return newSetup(s, api.SetupZone) }), "service.setup.zone.Europe"},
		{"setup-rig", at(func(s *Service) page { return newSetup(s, api.SetupRig) }), "service.setup.check"},
		{"setup-calibrate", at(func(s *Service) page { return newSetup(s, api.SetupCalibrate) }), "service.setup.line.s01"},
		{"setup-done", at(func(s *Service) page { return newSetup(s, "done") }), "service.setup.finish"},
	}
}

// visit opens a page of a rig that has a session, and waits until it is complete.
func (r *rig) visit(p somePage) {
	r.t.Helper()
	r.do(func() { p.open(r.svc) })
	r.until(p.name, func() bool {
		if _, ok := r.find(p.ready); !ok {
			return false
		}
		quiet := false
		r.do(func() { quiet = !r.svc.stale })
		return quiet
	})
	if p.ready == "service.title" {
		time.Sleep(60 * time.Millisecond) // one call over a socket; what it brings is not named above
	}
}

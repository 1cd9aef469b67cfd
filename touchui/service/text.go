package service

import (
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fountain/internal/problem"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

func (d *draw) big(px float64) theme.Size {
	return theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.015}
}

func (d *draw) logoSize(px float64) theme.Size {
	return theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.015}
}

// reason says in plain words why the agent refused, or that it does not answer.
func (s *Service) reason(err error) string {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return s.look.T("service.error.other")
	}
	switch p.Code {
	case problem.CodeUnreachable:
		return s.look.T("service.error.away")
	case problem.CodeInternal:
		return s.look.T("service.error.other")
	}
	out := s.said(p.What)
	if p.Remedy != "" && !strings.Contains(p.Remedy, "fountainctl") && !strings.Contains(p.Remedy, "/v1/") {
		out += " " + s.said(p.Remedy)
	}
	return out
}

// sentence makes a phrase one: a capital first, a full stop last.
func sentence(t string) string {
	t = strings.TrimSpace(t)
	if t == "" {
		return ""
	}
	if first, _, _ := strings.Cut(t, " "); !strings.ContainsAny(first, "_0123456789") { // else it is a part's id
		r, n := utf8.DecodeRuneInString(t)
		t = string(unicode.ToUpper(r)) + t[n:]
	}
	if last, _ := utf8.DecodeLastRuneInString(t); !unicode.IsPunct(last) {
		t += "."
	}
	return t
}

// ml writes a volume of service work: millilitres always, for cups and scales are marked so; a decimal below 100.
func (s *Service) ml(ul int64) string {
	v := float64(ul) / 1000
	digits := 0
	if v < 100 && v > -100 {
		digits = 1
	}
	return s.look.T("service.ml", "v", s.look.Words.Number(v, digits))
}

// num writes a figure with at most digits decimals.
func (s *Service) num(v float64, digits int) string { return s.look.Words.Number(v, digits) }

// pressure in psi where volumes are in fluid ounces, else in bar.
func (s *Service) pressure(kpa float64) string {
	if s.look.Units == sheet.FluidOunces {
		return s.look.T("service.psi", "v", s.num(kpa*0.145038, 0))
	}
	return s.look.T("service.bar", "v", s.num(kpa/100, 1))
}

// date and clock write times as every service book does: year first, 24 hours.
func date(t time.Time) string  { return t.Format("2006-01-02") }
func clock(t time.Time) string { return t.Format("15:04") }
func stamp(t time.Time) string { return t.Format("2006-01-02 15:04") }

// shorten keeps long ids readable: the beginning of a digest.
func shorten(t string, n int) string {
	if i := strings.IndexByte(t, ':'); i >= 0 && i < 8 {
		t = t[i+1:]
	}
	if len(t) > n {
		return t[:n]
	}
	return t
}

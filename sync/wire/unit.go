package wire

// Names of a unit's shadows besides LedgerShadow.
const (
	ConfigShadow = "config" // desired: configuration keys; reported: what is applied
	RecallShadow = "recall" // desired: what must not be poured; reported: what is not
	UnitShadow   = "unit"   // reported only: health and inventory
)

// UnitShadows lists the named shadows a unit uses; it has no classic one.
func UnitShadows() []string {
	return []string{LedgerShadow, ConfigShadow, RecallShadow, UnitShadow}
}

// Topics is everything a client needs from its policy. A + in Publish stands for the id of a job, which the policy
// writes as *; what may be received is what Subscribe matches.
type Topics struct {
	Publish   []string
	Subscribe []string
}

// UnitTopics lists every topic a unit publishes to and every filter it subscribes to, and no more: the policy of
// deploy/cfn/device.yaml grants exactly these, and tests compare both with the code.
func UnitTopics(rule, thing string) Topics {
	t := Topics{Publish: []string{BasicIngest(rule, thing)}}
	for _, name := range UnitShadows() {
		p := Shadow(thing, name)
		t.Publish = append(t.Publish, p.Request(ShadowGet), p.Request(ShadowUpdate))
	}
	j := Jobs(thing)
	t.Publish = append(t.Publish, j.StartNext(), j.Describe("+"), j.Update("+"))
	t.Publish = append(t.Publish, TopicCreateFromCSR, TopicProvision(RotationTemplate))
	t.Subscribe = append(ShadowFilters(thing), JobFilters(thing)...)
	t.Subscribe = append(t.Subscribe, RotationFilters()...)
	return t
}

// RotationFilters are the filters by which a unit hears the answers when it renews its certificate.
func RotationFilters() []string {
	register := TopicProvision(RotationTemplate)
	return []string{Accepted(TopicCreateFromCSR), Rejected(TopicCreateFromCSR), Accepted(register), Rejected(register)}
}

// ShadowFilters are the filters by which a unit hears all its named shadows: one set for all of them.
func ShadowFilters(thing string) []string {
	p := Shadow(thing, "+")
	return []string{
		p.Delta(),
		p.Accepted(ShadowGet), p.Rejected(ShadowGet),
		p.Accepted(ShadowUpdate), p.Rejected(ShadowUpdate),
	}
}

// JobFilters are the filters by which a unit hears of its jobs.
func JobFilters(thing string) []string {
	p := Jobs(thing)
	return []string{p.NotifyNext(), p.StartNext() + "/+", p.Update("+") + "/+", p.Describe("+") + "/+"}
}

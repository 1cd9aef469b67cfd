package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"fountain/cloud/store"
)

// Forms of names and values, from AWS's API reference.
var (
	thingForm     = regexp.MustCompile(`^[a-zA-Z0-9:_-]{1,128}$`)
	policyForm    = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)
	templateForm  = regexp.MustCompile(`^[0-9A-Za-z_-]{1,36}$`)
	jobForm       = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	attributeForm = regexp.MustCompile(`^[a-zA-Z0-9_.,@/:#-]{1,128}$`)
	valueForm     = regexp.MustCompile(`^[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}$`)
	ruleForm      = regexp.MustCompile(`^[a-zA-Z0-9_]{1,128}$`)
	certForm      = regexp.MustCompile(`^[a-f0-9]{64}$`)
)

// pathForms are the forms of names in paths; those of jobs and certificates are looked at where they are read.
var pathForms = map[string]*regexp.Regexp{
	"thingName": thingForm, "thingTypeName": thingForm, "thingGroupName": thingForm, "policyName": policyForm,
	"templateName": templateForm, "jobTemplateId": jobForm, "ruleName": ruleForm,
}

// checkPath looks at the names in the path of a request.
func checkPath(r *http.Request) error {
	for what, form := range pathForms {
		if strings.Contains(r.Pattern, "{"+what+"}") {
			if err := checkName(form, what, r.PathValue(what)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkName(form *regexp.Regexp, what, name string) error {
	if !form.MatchString(name) {
		return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", name, what, form)
	}
	return nil
}

// Quotas on attributes of a thing.
const (
	maxAttributes      = 3  // without a thing type
	maxTypedAttributes = 50 // with one
)

func checkAttributes(a map[string]string, most int) error {
	for k, v := range a {
		if !attributeForm.MatchString(k) {
			return invalid("%q is no name of an attribute", k)
		}
		if !valueForm.MatchString(v) {
			return invalid("%q is no value of attribute %s", v, k)
		}
	}
	if len(a) > most {
		return invalid("the thing has %d attributes, at most %d are allowed; with a thing type %d", len(a), most, maxTypedAttributes)
	}
	return nil
}

// idOf makes the stable id that AWS gives a resource beside its name.
func idOf(kind, name string, created int64) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", kind, name, created))
	return uuid.UUID(h[:16]).String()
}

func hash(parts ...any) string {
	h := sha256.Sum256(fmt.Append(nil, parts...))
	return hex.EncodeToString(h[:])
}

// seconds turns milliseconds into the epoch seconds of AWS's JSON.
func seconds(ms int64) float64 { return float64(ms) / 1000 }

func (c *Control) arn(rest string) string { return c.cfg.ARN + rest }

// principal takes a certificate's ARN apart.
func (c *Control) principal(arn string) (certificateID string, err error) {
	id, ok := strings.CutPrefix(arn, c.arn("cert/"))
	if !ok || !certForm.MatchString(id) {
		return "", invalid("%q is no certificate of this account and region (%scert/…)", arn, c.cfg.ARN)
	}
	return id, nil
}

// target takes the ARN of what a policy is attached to apart.
func (c *Control) target(arn string) (string, error) {
	if name, ok := strings.CutPrefix(arn, c.arn("thinggroup/")); ok && thingForm.MatchString(name) {
		return store.GroupTarget(name), nil
	}
	id, err := c.principal(arn)
	return store.CertTarget(id), err
}

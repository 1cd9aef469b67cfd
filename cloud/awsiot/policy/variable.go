package policy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	attributePrefix   = "iot:Connection.Thing.Attributes["
	certificatePrefix = "iot:Certificate."
	listSuffix        = ".List"

	maxAttributeItems = 5    // further values of one certificate attribute are not seen
	maxAttributeValue = 1024 // characters; a longer value has no variable
)

// variable returns the value of ${name}.
func (w *Principal) variable(name string) (string, bool) {
	switch name {
	case "*", "?", "$": // ${*} is a plain *
		return name, true
	}
	v := w.values(name, "")
	if len(v) == 0 {
		return "", false
	}
	if strings.HasPrefix(name, certificatePrefix) && strings.ContainsAny(v[0], "*?") {
		return "", false // AWS leaves such a variable as it stands
	}
	return v[0], true
}

// values returns the values of a context key; none when it is absent. act says whether attributes of a CONNECT count.
func (w *Principal) values(key string, act Action) []string {
	one := func(v string) []string {
		if v == "" {
			return nil
		}
		return []string{v}
	}
	switch key {
	case "iot:ClientId":
		return one(w.ClientID)
	case "iot:CertificateId":
		return one(w.CertificateID)
	case "aws:SourceIp", "iot:SourceIp":
		return one(w.SourceIP)
	case "iot:DomainName":
		return one(w.DomainName)
	case "aws:SecureTransport":
		return one("true") // there is no other
	case "iot:Connection.Thing.ThingName":
		return one(w.Thing)
	case "iot:Connection.Thing.IsAttached":
		return one(strconv.FormatBool(w.Thing != ""))
	case "iot:Connection.Thing.ThingTypeName":
		if w.Thing != "" {
			return one(w.ThingType)
		}
		return nil
	case "iot:ConnectAttributes":
		var v []string
		if act == Connect && w.Persistent {
			v = append(v, "PersistentConnect")
		}
		if act == Connect && w.LastWill {
			v = append(v, "LastWill")
		}
		return v
	case "iot:LastWillTopic":
		if act == Connect && w.LastWill {
			return one(w.LastWillARN)
		}
		return nil
	}
	if rest, ok := strings.CutPrefix(key, attributePrefix); ok && w.Thing != "" {
		return one(w.Attributes[strings.TrimSuffix(rest, "]")])
	}
	if rest, ok := strings.CutPrefix(key, certificatePrefix); ok {
		return w.certificate(rest)
	}
	return nil
}

// certificate resolves Subject.CommonName (the first value), Subject.CommonName.1 (counted from 0) and
// Subject.CommonName.List (all).
func (w *Principal) certificate(key string) []string {
	if all, ok := strings.CutSuffix(key, listSuffix); ok {
		return w.Certificate[all]
	}
	name, n := key, 0
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		if k, err := strconv.Atoi(key[i+1:]); err == nil && k >= 0 {
			name, n = key[:i], k
		}
	}
	v := w.Certificate[name]
	if name == "AvailableKeys" {
		return v
	}
	if n >= len(v) || len([]rune(v[n])) > maxAttributeValue {
		return nil
	}
	return v[n : n+1]
}

// knownKey tells whether a context key is one of AWS IoT's that can have a value here.
func knownKey(key string) bool {
	switch key {
	case "iot:ClientId", "iot:CertificateId", "aws:SourceIp", "iot:SourceIp", "iot:DomainName", "aws:SecureTransport",
		"iot:Connection.Thing.ThingName", "iot:Connection.Thing.IsAttached", "iot:Connection.Thing.ThingTypeName",
		"iot:ConnectAttributes", "iot:LastWillTopic":
		return true
	}
	if rest, ok := strings.CutPrefix(key, attributePrefix); ok {
		return len(rest) > 1 && strings.IndexByte(rest, ']') == len(rest)-1
	}
	rest, ok := strings.CutPrefix(key, certificatePrefix)
	if !ok {
		return false
	}
	rest = strings.TrimSuffix(rest, listSuffix)
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		if k, err := strconv.Atoi(rest[i+1:]); err == nil && k >= 0 && k < maxAttributeItems {
			rest = rest[:i]
		}
	}
	if rest == "SerialNumber" || rest == "AvailableKeys" {
		return true
	}
	if alt, ok := strings.CutPrefix(rest, "Subject.AlternativeName."); ok {
		return slices.Contains([]string{"RFC822Name", "DNSName", "UniformResourceIdentifier", "IPAddress"}, alt)
	}
	who, attr, _ := strings.Cut(rest, ".")
	return (who == "Subject" || who == "Issuer") && slices.Contains(slices.Collect(maps.Values(nameAttributes)), attr)
}

// nameAttributes maps the object ids of X.520 to AWS's words.
var nameAttributes = map[string]string{
	"2.5.4.46": "DistinguishedNameQualifier", "2.5.4.6": "Country", "2.5.4.10": "Organization", "2.5.4.11": "OrganizationalUnit",
	"2.5.4.8": "State", "2.5.4.3": "CommonName", "2.5.4.5": "SerialNumber", "2.5.4.12": "Title", "2.5.4.4": "Surname",
	"2.5.4.42": "GivenName", "2.5.4.43": "Initials", "2.5.4.65": "Pseudonym", "2.5.4.44": "GenerationQualifier",
}

// CertificateAttributes returns what policy variables say about a certificate, by what follows "iot:Certificate.". The
// names of directories and of the issuer's alternative names are not read.
func CertificateAttributes(c *x509.Certificate) map[string][]string {
	out := map[string][]string{}
	add := func(key, value string) {
		if value != "" && len(out[key]) < maxAttributeItems {
			out[key] = append(out[key], value)
		}
	}
	for who, name := range map[string]pkix.Name{"Subject.": c.Subject, "Issuer.": c.Issuer} {
		for _, a := range name.Names {
			if word, ok := nameAttributes[a.Type.String()]; ok {
				text, _ := a.Value.(string) // no text: left out
				add(who+word, text)
			}
		}
	}
	for _, v := range c.EmailAddresses {
		add("Subject.AlternativeName.RFC822Name", v)
	}
	for _, v := range c.DNSNames {
		add("Subject.AlternativeName.DNSName", v)
	}
	for _, v := range c.URIs {
		add("Subject.AlternativeName.UniformResourceIdentifier", v.String())
	}
	for _, v := range c.IPAddresses {
		add("Subject.AlternativeName.IPAddress", v.String())
	}
	if c.SerialNumber != nil {
		add("SerialNumber", c.SerialNumber.String())
	}
	var keys []string
	for k := range out {
		keys = append(keys, certificatePrefix+k)
	}
	slices.Sort(keys)
	out["AvailableKeys"] = keys
	return out
}

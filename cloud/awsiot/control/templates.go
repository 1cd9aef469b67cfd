package control

import (
	"errors"
	"strconv"

	"fountain/cloud/awsiot/provision"
	"fountain/cloud/store"
)

type hook struct {
	Version string `json:"payloadVersion,omitempty"`
	Target  string `json:"targetArn"`
}

// hookVersion is the only payload version AWS has.
const hookVersion = "2020-04-01"

func (h *hook) check() error {
	switch {
	case h == nil:
		return nil
	case h.Target == "":
		return invalid("preProvisioningHook needs targetArn")
	case h.Version == "":
		h.Version = hookVersion
	case h.Version != hookVersion:
		return invalid("payloadVersion of the hook must be %s", hookVersion)
	}
	return nil
}

func checkBody(body string) error {
	if _, err := provision.ParseTemplate(body); err != nil {
		return invalid("The template body is invalid: %v", err)
	}
	return nil
}

func (c *Control) createTemplate(r *request) (any, error) {
	var in struct {
		Name        string `json:"templateName"`
		Description string `json:"description"`
		Body        string `json:"templateBody"`
		Enabled     bool   `json:"enabled"`
		Role        string `json:"provisioningRoleArn"`
		Hook        *hook  `json:"preProvisioningHook"`
		Type        string `json:"type"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := checkName(templateForm, "templateName", in.Name); err != nil {
		return nil, err
	}
	if err := errors.Join(checkBody(in.Body), in.Hook.check()); err != nil {
		return nil, err
	}
	switch in.Type {
	case "":
		in.Type = "FLEET_PROVISIONING"
	case "FLEET_PROVISIONING", "JITP":
	default:
		return nil, invalid("type must be FLEET_PROVISIONING or JITP")
	}
	if len(in.Role) < 20 {
		return nil, invalid("provisioningRoleArn is missing or too short")
	}
	set := store.TemplateSettings{Description: in.Description, Enabled: in.Enabled, RoleARN: in.Role, Type: in.Type}
	if in.Hook != nil {
		set.HookARN, set.HookVersion = in.Hook.Target, in.Hook.Version
	}
	arn := c.arn("provisioningtemplate/" + in.Name)
	err := c.cfg.Store.CreateEntry(r.Context(), store.Entry{Kind: store.KindTemplate, Name: in.Name, Settings: encode(set), Created: now()}, in.Body)
	if errors.Is(err, store.ErrExists) {
		return nil, exists(in.Name, arn, "Provisioning template %s already exists", in.Name)
	}
	if err != nil {
		return nil, err
	}
	return obj{"templateArn": arn, "templateName": in.Name, "defaultVersionId": 1}, nil
}

func (c *Control) template(r *request) (e store.Entry, set store.TemplateSettings, err error) {
	if e, err = c.entry(r.Context(), store.KindTemplate, r.PathValue("templateName"), "Provisioning template"); err != nil {
		return e, set, err
	}
	set, err = e.Template()
	return e, set, err
}

func (c *Control) templateView(e store.Entry, set store.TemplateSettings) obj {
	o := obj{
		"templateArn": c.arn("provisioningtemplate/" + e.Name), "templateName": e.Name, "creationDate": seconds(e.Created),
		"lastModifiedDate": seconds(e.Changed), "enabled": set.Enabled, "type": set.Type,
	}
	if set.Description != "" {
		o["description"] = set.Description
	}
	return o
}

func (c *Control) describeTemplate(r *request) (any, error) {
	e, set, err := c.template(r)
	if err != nil {
		return nil, err
	}
	b, err := c.cfg.Store.Body(r.Context(), store.KindTemplate, e.Name, e.Default)
	if err != nil {
		return nil, err
	}
	o := c.templateView(e, set)
	o["defaultVersionId"], o["templateBody"], o["provisioningRoleArn"] = e.Default, b.Text, set.RoleARN
	if set.HookARN != "" {
		o["preProvisioningHook"] = hook{set.HookVersion, set.HookARN}
	}
	return o, nil
}

func (c *Control) updateTemplate(r *request) (any, error) {
	var in struct {
		Description *string `json:"description"`
		Enabled     *bool   `json:"enabled"`
		Default     int     `json:"defaultVersionId"`
		Role        string  `json:"provisioningRoleArn"`
		Hook        *hook   `json:"preProvisioningHook"`
		RemoveHook  bool    `json:"removePreProvisioningHook"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := in.Hook.check(); err != nil {
		return nil, err
	}
	if in.Hook != nil && in.RemoveHook {
		return nil, invalid("preProvisioningHook and removePreProvisioningHook contradict each other")
	}
	e, _, err := c.template(r)
	if err != nil {
		return nil, err
	}
	if in.Default != 0 {
		if err := c.cfg.Store.SetDefaultBody(r.Context(), store.KindTemplate, e.Name, in.Default, now()); err != nil {
			if errors.Is(err, store.ErrNotFound) {
				err = absent("Provisioning template %s has no version %d", e.Name, in.Default)
			}
			return nil, err
		}
	}
	return nil, c.cfg.Store.UpdateEntry(r.Context(), store.KindTemplate, e.Name, 0, now(), func(e *store.Entry) error {
		set, err := e.Template()
		if err != nil {
			return err
		}
		if in.Description != nil {
			set.Description = *in.Description
		}
		if in.Enabled != nil {
			set.Enabled = *in.Enabled
		}
		if in.Role != "" {
			set.RoleARN = in.Role
		}
		switch {
		case in.RemoveHook:
			set.HookARN, set.HookVersion = "", ""
		case in.Hook != nil:
			set.HookARN, set.HookVersion = in.Hook.Target, in.Hook.Version
		}
		e.Settings = encode(set)
		return nil
	})
}

func (c *Control) deleteTemplate(r *request) (any, error) {
	e, _, err := c.template(r)
	if err != nil {
		return nil, err
	}
	if e.Origin == store.OriginStack {
		return nil, inUse("%s", ofStack("Provisioning template", e.Name))
	}
	return nil, c.cfg.Store.DeleteEntry(r.Context(), store.KindTemplate, e.Name)
}

func (c *Control) listTemplates(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	all, err := c.entries(r.Context(), store.KindTemplate)
	if err != nil {
		return nil, err
	}
	all, token := cut(p, all, entryName)
	var out []obj
	for _, e := range all {
		set, err := e.Template()
		if err != nil {
			return nil, err
		}
		out = append(out, c.templateView(e, set))
	}
	return list("templates", out, "nextToken", token), nil
}

func (c *Control) createTemplateVersion(r *request) (any, error) {
	e, _, err := c.template(r)
	if err != nil {
		return nil, err
	}
	def, err := r.flag("setAsDefault")
	if err != nil {
		return nil, err
	}
	var in struct {
		Body string `json:"templateBody"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if err := checkBody(in.Body); err != nil {
		return nil, err
	}
	b, err := c.cfg.Store.AddBody(r.Context(), store.KindTemplate, e.Name, in.Body, def, now())
	if errors.Is(err, store.ErrLimit) {
		return nil, tooMany("provisioning template", e.Name)
	}
	if err != nil {
		return nil, err
	}
	return obj{
		"templateArn": c.arn("provisioningtemplate/" + e.Name), "templateName": e.Name, "versionId": b.Version, "isDefaultVersion": def,
	}, nil
}

func (c *Control) listTemplateVersions(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	e, _, err := c.template(r)
	if err != nil {
		return nil, err
	}
	all, err := c.cfg.Store.Bodies(r.Context(), store.KindTemplate, e.Name)
	if err != nil {
		return nil, err
	}
	all, token := cut(p, all, func(b store.Body) string { return strconv.Itoa(b.Version) })
	var out []obj
	for _, b := range all {
		out = append(out, obj{"versionId": b.Version, "creationDate": seconds(b.Created), "isDefaultVersion": b.Version == e.Default})
	}
	return list("versions", out, "nextToken", token), nil
}

func (c *Control) templateVersion(r *request) (e store.Entry, b store.Body, err error) {
	if e, _, err = c.template(r); err != nil {
		return e, b, err
	}
	n, err := version(r, "versionId")
	if err != nil {
		return e, b, err
	}
	b, err = c.cfg.Store.Body(r.Context(), store.KindTemplate, e.Name, n)
	if errors.Is(err, store.ErrNotFound) {
		err = absent("Provisioning template %s has no version %d", e.Name, n)
	}
	return e, b, err
}

func (c *Control) describeTemplateVersion(r *request) (any, error) {
	e, b, err := c.templateVersion(r)
	if err != nil {
		return nil, err
	}
	return obj{"versionId": b.Version, "creationDate": seconds(b.Created), "templateBody": b.Text, "isDefaultVersion": b.Version == e.Default}, nil
}

func (c *Control) deleteTemplateVersion(r *request) (any, error) {
	e, b, err := c.templateVersion(r)
	if err != nil {
		return nil, err
	}
	err = c.cfg.Store.DeleteBody(r.Context(), store.KindTemplate, e.Name, b.Version)
	if errors.Is(err, store.ErrInUse) {
		err = inUse("Cannot delete the default version of provisioning template %s", e.Name)
	}
	return nil, err
}

func (c *Control) createClaim(r *request) (any, error) {
	if _, _, err := c.template(r); err != nil {
		return nil, err
	}
	claim, err := c.cfg.Provision.CreateClaim(r.Context(), r.PathValue("templateName"))
	if err != nil {
		return nil, err
	}
	return obj{
		"certificateId": claim.CertificateID, "certificatePem": claim.CertificatePEM, "keyPair": keyPair(claim.Keys), "expiration": claim.Expires.Unix(),
	}, nil
}

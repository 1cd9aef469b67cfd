package control_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"fountain/cloud/awsiot/authority"
)

func wantList(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func attributes(kv ...string) map[string]any {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return map[string]any{"attributes": m}
}

func TestThings(t *testing.T) {
	c := newCloud(t)
	c.iot("POST", "/thing-types/tt", map[string]any{"thingTypeProperties": map[string]any{"thingTypeDescription": "d"}}).ok()
	made := c.iot("POST", "/things/a1", map[string]any{"thingTypeName": "tt", "attributePayload": attributes("k", "v1", "l", "x")}).ok()
	if made["thingArn"] != arn+"thing/a1" || made["thingId"] == "" {
		t.Fatal(made)
	}
	if again := c.iot("POST", "/things/a1", map[string]any{"thingTypeName": "tt", "attributePayload": attributes("k", "v1", "l", "x")}).ok(); again["thingId"] != made["thingId"] {
		t.Fatalf("the same thing again is no error and the same: %v", again)
	}
	if f := c.iot("POST", "/things/a1", nil).fails(409, "ResourceAlreadyExistsException"); f.body["resourceArn"] != arn+"thing/a1" {
		t.Fatal(f.text)
	}
	c.iot("POST", "/things/a2", map[string]any{"attributePayload": attributes("k", "v2")}).ok()
	c.iot("POST", "/things/a3", nil).ok()
	c.iot("POST", "/things/a4", map[string]any{"thingTypeName": "none"}).fails(404, "ResourceNotFoundException")
	c.iot("POST", "/things/a4", map[string]any{"billingGroupName": "none"}).fails(404, "ResourceNotFoundException")
	c.iot("POST", "/things/a4", map[string]any{"attributePayload": attributes("a", "1", "b", "1", "c", "1", "d", "1")}).fails(400, "InvalidRequestException")
	c.iot("POST", "/things/a4", map[string]any{"attributePayload": attributes("a b", "1")}).fails(400, "InvalidRequestException")
	c.iot("POST", "/things/a%20b", nil).fails(400, "InvalidRequestException")
	c.iot("POST", "/things/"+strings.Repeat("x", 129), nil).fails(400, "InvalidRequestException")
	c.iot("POST", "/things/a4", `{"thingTypeName":`).fails(400, "InvalidRequestException")
	for body, says := range map[string]string{`[]`: "not an object", `{"attributePayload":{"attributes":{"a":5}}}`: "attributePayload.attributes cannot be a JSON number"} {
		if f := c.iot("POST", "/things/a4", body).fails(400, "InvalidRequestException"); !strings.Contains(f.text, says) || strings.Contains(f.text, "Go ") {
			t.Errorf("%s: %s", body, f.text)
		}
	}

	names := func(query string) []string {
		return column(c.iot("GET", "/things"+query, nil).ok()["things"], "thingName")
	}
	wantList(t, names(""), "a1", "a2", "a3")
	wantList(t, names("?thingTypeName=tt"), "a1")
	wantList(t, names("?attributeName=k"), "a1", "a2")
	wantList(t, names("?attributeName=k&attributeValue=v2"), "a2")
	wantList(t, names("?attributeName=k&attributeValue=v&usePrefixAttributeValue=true"), "a1", "a2")
	c.iot("GET", "/things?maxResults=251", nil).fails(400, "InvalidRequestException")
	c.iot("GET", "/things?nextToken=%21", nil).fails(400, "InvalidRequestException")
	var all []string
	for token := ""; ; {
		page := c.iot("GET", "/things?maxResults=2&nextToken="+token, nil).ok()
		all = append(all, column(page["things"], "thingName")...)
		if token, _ = page["nextToken"].(string); token == "" {
			break
		}
	}
	wantList(t, all, "a1", "a2", "a3")

	c.iot("PATCH", "/things/a1", map[string]any{"attributePayload": map[string]any{"attributes": map[string]string{"k": "", "m": "n"}, "merge": true}, "expectedVersion": 1}).ok()
	d := c.iot("GET", "/things/a1", nil).ok()
	if fmt.Sprint(d["attributes"]) != "map[l:x m:n]" || d["version"] != 2.0 || d["thingTypeName"] != "tt" || d["defaultClientId"] != "a1" {
		t.Fatal(d)
	}
	c.iot("PATCH", "/things/a1", map[string]any{"attributePayload": attributes("z", "1"), "expectedVersion": 1}).fails(409, "VersionConflictException")
	c.iot("PATCH", "/things/a1", map[string]any{"removeThingType": true}).ok()
	if d := c.iot("GET", "/things/a1", nil).ok(); d["thingTypeName"] != nil {
		t.Fatal(d)
	}
	c.iot("DELETE", "/things/a3?expectedVersion=9", nil).fails(409, "VersionConflictException")
	c.iot("DELETE", "/things/a3", nil).ok()
	c.iot("DELETE", "/things/a3", nil).ok() // deleting what is not there is no error
	c.iot("GET", "/things?nextToken=garbage", nil).fails(400, "InvalidRequestException")
	c.iot("GET", "/things/a3", nil).fails(404, "ResourceNotFoundException")
}

func TestThingTypes(t *testing.T) {
	c := newCloud(t)
	c.iot("POST", "/thing-types/tt", map[string]any{"thingTypeProperties": map[string]any{"searchableAttributes": []string{"a"}}}).ok()
	c.iot("POST", "/thing-types/tt", nil).fails(409, "ResourceAlreadyExistsException")
	for range 2 {
		c.iot("POST", "/thing-types/empty", map[string]any{"thingTypeProperties": map[string]any{"searchableAttributes": []string{}}}).ok()
	}
	c.iot("POST", "/thing-types/bad", map[string]any{"thingTypeProperties": map[string]any{"searchableAttributes": []string{"a b"}}}).fails(400, "InvalidRequestException")
	c.iot("PATCH", "/thing-types/tt", map[string]any{"thingTypeProperties": map[string]any{"searchableAttributes": []string{"a", "b", "c", "d"}}}).fails(400, "InvalidRequestException")
	c.iot("DELETE", "/thing-types/tt", nil).fails(400, "InvalidRequestException")
	c.iot("POST", "/things/x", map[string]any{"thingTypeName": "tt"}).ok()
	c.iot("POST", "/thing-types/tt/deprecate", map[string]any{}).ok()
	d := c.iot("GET", "/thing-types/tt", nil).ok()
	if get(d, "thingTypeMetadata", "deprecated") != true || get(d, "thingTypeMetadata", "deprecationDate") == nil || get(d, "thingTypeProperties", "searchableAttributes", 0) != "a" {
		t.Fatal(d)
	}
	c.iot("POST", "/things/y", map[string]any{"thingTypeName": "tt"}).fails(400, "InvalidRequestException")
	c.iot("DELETE", "/thing-types/tt", nil).fails(400, "InvalidRequestException")
	c.iot("POST", "/thing-types/tt/deprecate", map[string]any{"undoDeprecate": true}).ok()
	c.iot("POST", "/things/y", map[string]any{"thingTypeName": "tt"}).ok()
	wantList(t, column(c.iot("GET", "/thing-types", nil).ok()["thingTypes"], "thingTypeName"), "empty", "fountain-unit", "tt")
	wantList(t, column(c.iot("GET", "/thing-types?thingTypeName=tt", nil).ok()["thingTypes"], "thingTypeName"), "tt")
	if f := c.iot("DELETE", "/thing-types/fountain-unit", nil).fails(400, "InvalidRequestException"); !strings.Contains(f.text, "CloudFormation") {
		t.Fatalf("it does not say why: %s", f.text)
	}
}

func TestThingGroups(t *testing.T) {
	c := newCloud(t)
	for _, n := range []string{"a1", "a2"} {
		c.iot("POST", "/things/"+n, nil).ok()
	}
	c.iot("POST", "/thing-groups/g", map[string]any{"thingGroupProperties": map[string]any{"thingGroupDescription": "x"}}).ok()
	c.iot("POST", "/thing-groups/g", nil).fails(409, "ResourceAlreadyExistsException")
	c.iot("POST", "/thing-groups/g2", map[string]any{"parentGroupName": "g"}).ok()
	c.iot("POST", "/thing-groups/g3", map[string]any{"parentGroupName": "none"}).fails(400, "InvalidRequestException")
	d := c.iot("GET", "/thing-groups/g2", nil).ok()
	if get(d, "thingGroupMetadata", "parentGroupName") != "g" || get(d, "thingGroupMetadata", "rootToParentThingGroups", 0, "groupArn") != arn+"thinggroup/g" {
		t.Fatal(d)
	}
	c.iot("PUT", "/thing-groups/addThingToThingGroup", map[string]any{"thingGroupName": "g2", "thingName": "a1"}).ok()
	c.iot("PUT", "/thing-groups/addThingToThingGroup", map[string]any{"thingGroupArn": arn + "thinggroup/g", "thingArn": arn + "thing/a2"}).ok()
	c.iot("PUT", "/thing-groups/addThingToThingGroup", map[string]any{"thingGroupName": "g", "thingName": "none"}).fails(404, "ResourceNotFoundException")
	c.iot("PUT", "/thing-groups/addThingToThingGroup", map[string]any{"thingGroupName": "g", "thingName": "a1"}).fails(400, "InvalidRequestException") // one in a hierarchy
	members := func(query string) []string {
		return column(c.iot("GET", "/thing-groups/g/things"+query, nil).ok()["things"], "")
	}
	wantList(t, members(""), "a2")
	wantList(t, members("?recursive=true"), "a1", "a2")
	wantList(t, column(c.iot("GET", "/things/a1/thing-groups", nil).ok()["thingGroups"], "groupName"), "g2")
	wantList(t, column(c.iot("GET", "/thing-groups?recursive=false", nil).ok()["thingGroups"], "groupName"), "g")
	wantList(t, column(c.iot("GET", "/thing-groups?parentGroup=g", nil).ok()["thingGroups"], "groupName"), "g2")
	c.iot("DELETE", "/thing-groups/g", nil).fails(400, "InvalidRequestException")
	if v := c.iot("PATCH", "/thing-groups/g", map[string]any{"thingGroupProperties": map[string]any{"thingGroupDescription": "y"}, "expectedVersion": 1}).ok()["version"]; v != 2.0 {
		t.Fatal(v)
	}
	c.iot("PATCH", "/thing-groups/g", map[string]any{"thingGroupProperties": map[string]any{}, "expectedVersion": 1}).fails(409, "VersionConflictException")
	c.iot("PUT", "/thing-groups/updateThingGroupsForThing", map[string]any{"thingName": "a1", "thingGroupsToAdd": []string{"g"}, "thingGroupsToRemove": []string{"g2"}}).ok()
	wantList(t, members(""), "a1", "a2")
	c.iot("PUT", "/thing-groups/updateThingGroupsForThing", map[string]any{"thingName": "none"}).fails(404, "ResourceNotFoundException")
	parent := "g2"
	for level := 3; level <= 8; level++ {
		made := c.iot("POST", fmt.Sprint("/thing-groups/level", level), map[string]any{"parentGroupName": parent})
		if level == 8 {
			made.fails(400, "InvalidRequestException")
			break
		}
		made.ok()
		parent = fmt.Sprint("level", level)
	}
	for level := 7; level >= 3; level-- {
		c.iot("DELETE", fmt.Sprint("/thing-groups/level", level), nil).ok()
	}
	c.iot("PUT", "/thing-groups/removeThingFromThingGroup", map[string]any{"thingGroupName": "g", "thingName": "a1"}).ok()
	wantList(t, members(""), "a2")
	c.iot("DELETE", "/thing-groups/g2", nil).ok()
	c.iot("DELETE", "/thing-groups/g2", nil).ok() // AWS is content
	c.iot("GET", "/thing-groups/g2", nil).fails(404, "ResourceNotFoundException")
}

const anything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}`

// foreignCertificate is one that another authority signed.
func foreignCertificate(t *testing.T) string {
	t.Helper()
	other, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, err := other.Issue(&key.PublicKey, authority.Subject())
	if err != nil {
		t.Fatal(err)
	}
	return x.PEM
}

func TestCertificatesAndPolicies(t *testing.T) {
	c := newCloud(t)
	made := c.iot("POST", "/keys-and-certificate", nil).ok()
	id, a := made["certificateId"].(string), made["certificateArn"].(string)
	if a != arn+"cert/"+id || !strings.HasPrefix(get(made, "keyPair", "PublicKey").(string), "-----BEGIN PUBLIC KEY-----") {
		t.Fatal(made)
	}
	status := func() any {
		return get(c.iot("GET", "/certificates/"+id, nil).ok(), "certificateDescription", "status")
	}
	if status() != "INACTIVE" {
		t.Fatal(status())
	}
	c.iot("PUT", "/certificates/"+id+"?newStatus=ACTIVE", nil).ok()
	c.iot("PUT", "/certificates/"+id+"?newStatus=PENDING_ACTIVATION", nil).fails(400, "InvalidRequestException")
	c.iot("DELETE", "/certificates/"+id, nil).fails(406, "CertificateStateException")
	c.iot("GET", "/certificates/"+strings.Repeat("0", 64), nil).fails(404, "ResourceNotFoundException")
	c.iot("GET", "/certificates/xyz", nil).fails(400, "InvalidRequestException")
	c.iot("POST", "/certificates", map[string]string{"certificateSigningRequest": "x"}).fails(400, "InvalidRequestException")
	c.iot("POST", "/certificate/register-no-ca", map[string]any{"certificatePem": made["certificatePem"]}).fails(409, "ResourceAlreadyExistsException")
	c.iot("POST", "/certificate/register-no-ca", map[string]any{"certificatePem": "x"}).fails(400, "CertificateValidationException")
	mode := func(id any) any {
		return get(c.iot("GET", fmt.Sprint("/certificates/", id), nil).ok(), "certificateDescription", "certificateMode")
	}
	foreign := c.iot("POST", "/certificate/register-no-ca", map[string]any{"certificatePem": foreignCertificate(t)}).ok()
	if mine, other := mode(id), mode(foreign["certificateId"]); mine != "DEFAULT" || other != "SNI_ONLY" {
		t.Errorf("modes %v and %v", mine, other)
	}

	doc := map[string]string{"policyDocument": anything}
	if p := c.iot("POST", "/policies/p", doc).ok(); p["policyVersionId"] != "1" || p["policyArn"] != arn+"policy/p" {
		t.Fatal(p)
	}
	c.iot("POST", "/policies/p", doc).fails(409, "ResourceAlreadyExistsException")
	c.iot("POST", "/policies/a%20b", doc).fails(400, "InvalidRequestException")
	for name, bad := range map[string]string{
		"no JSON": "{", "no effect": `{"Version":"2012-10-17","Statement":[{"Effect":"Perhaps","Action":"iot:Connect","Resource":"*"}]}`,
		"too large": strings.Replace(anything, `"Resource":"*"`, `"Resource":"`+arn+"topic/"+strings.Repeat("x", 2048)+`"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			c.iot("POST", "/policies/bad", map[string]string{"policyDocument": bad}).fails(400, "MalformedPolicyException")
		})
	}
	target := map[string]string{"target": a}
	c.iot("PUT", "/target-policies/p", target).ok()
	c.iot("PUT", "/target-policies/p", target).ok()
	c.iot("PUT", "/target-policies/none", target).fails(404, "ResourceNotFoundException")
	c.iot("PUT", "/target-policies/p", map[string]string{"target": arn + "cert/" + strings.Repeat("0", 64)}).fails(404, "ResourceNotFoundException")
	c.iot("PUT", "/target-policies/p", map[string]string{"target": "arn:aws:s3:::x"}).fails(400, "InvalidRequestException")
	wantList(t, column(c.iot("POST", "/attached-policies/"+url.PathEscape(a), nil).ok()["policies"], "policyName"), "p")
	wantList(t, column(c.iot("POST", "/policy-targets/p", nil).ok()["targets"], ""), a)
	for i := range 9 {
		c.iot("POST", fmt.Sprint("/policies/q", i), doc).ok()
		c.iot("PUT", fmt.Sprint("/target-policies/q", i), target).ok()
	}
	c.iot("POST", "/policies/q9", doc).ok()
	c.iot("PUT", "/target-policies/q9", target).fails(410, "LimitExceededException")
	c.iot("POST", "/target-policies/q8", target).ok()
	c.iot("POST", "/target-policies/q8", target).ok()
	c.iot("POST", "/target-policies/none", target).ok() // AWS tells of a target that is not there, not of a policy
	gone := c.iot("POST", "/target-policies/q8", map[string]string{"target": arn + "cert/" + strings.Repeat("0", 64)}).fails(400, "InvalidRequestException")
	if gone.body["message"] != "Invalid Target" {
		t.Error(gone.text)
	}

	for i := 2; i <= 5; i++ {
		v := c.iot("POST", fmt.Sprintf("/policies/p/version?setAsDefault=%v", i == 5), doc).ok()
		if v["policyVersionId"] != fmt.Sprint(i) || v["isDefaultVersion"] != (i == 5) {
			t.Fatal(v)
		}
	}
	c.iot("POST", "/policies/p/version", doc).fails(409, "VersionsLimitExceededException")
	c.iot("DELETE", "/policies/p/version/5", nil).fails(409, "DeleteConflictException")
	c.iot("PATCH", "/policies/p/version/2", nil).ok()
	c.iot("DELETE", "/policies/p/version/5", nil).ok()
	if d := c.iot("GET", "/policies/p", nil).ok(); d["defaultVersionId"] != "2" || d["policyDocument"] != anything {
		t.Fatal(d)
	}
	wantList(t, column(c.iot("GET", "/policies/p/version", nil).ok()["policyVersions"], "versionId"), "4", "3", "2", "1")
	c.iot("GET", "/policies/p/version/9", nil).fails(404, "ResourceNotFoundException")
	c.iot("DELETE", "/policies/p", nil).fails(409, "DeleteConflictException")

	c.iot("POST", "/things/a1", nil).ok()
	c.iot("PUT", "/things/a1/principals", nil, "x-amzn-principal", a).ok()
	wantList(t, column(c.iot("GET", "/things/a1/principals", nil).ok()["principals"], ""), a)
	wantList(t, column(c.iot("GET", "/principals/things", nil, "x-amzn-principal", a).ok()["things"], ""), "a1")
	c.iot("DELETE", "/things/a1", nil).fails(400, "InvalidRequestException")
	c.iot("PUT", "/certificates/"+id+"?newStatus=REVOKED", nil).ok()
	c.iot("PUT", "/certificates/"+id+"?newStatus=ACTIVE", nil).fails(406, "CertificateStateException")
	c.iot("DELETE", "/certificates/"+id+"?forceDelete=true", nil).fails(409, "DeleteConflictException")
	c.iot("DELETE", "/things/a1/principals", nil, "x-amzn-principal", a).ok()
	c.iot("DELETE", "/things/a1/principals", nil, "x-amzn-principal", a).fails(404, "ResourceNotFoundException")
	c.iot("DELETE", "/certificates/"+id, nil).fails(409, "DeleteConflictException")
	c.iot("POST", "/target-policies/p", target).ok()
	c.iot("DELETE", "/certificates/"+id+"?forceDelete=true", nil).ok()
	if slices.Contains(column(c.iot("GET", "/certificates", nil).ok()["certificates"], "certificateId"), id) {
		t.Fatal("a deleted certificate is listed")
	}
	if f := c.iot("DELETE", "/policies/fountain-unit", nil).fails(409, "DeleteConflictException"); !strings.Contains(f.text, "CloudFormation") {
		t.Fatalf("it does not say why: %s", f.text)
	}
}

const templateBody = `{"Parameters":{"S":{"Type":"String"},"AWS::IoT::Certificate::Id":{"Type":"String"}},
	"Resources":{"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Fn::Join":["",["z-",{"Ref":"S"}]]},"AttributePayload":{"s":{"Ref":"S"}}}},
	"certificate":{"Type":"AWS::IoT::Certificate","Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"ACTIVE"}},
	"policy":{"Type":"AWS::IoT::Policy","Properties":{"PolicyName":"fountain-unit"}}}}`

func TestProvisioningTemplates(t *testing.T) {
	c := newCloud(t)
	create := map[string]any{"templateName": "tpl", "templateBody": templateBody, "provisioningRoleArn": "arn:aws:iam::123456789012:role/r", "description": "d"}
	if m := c.iot("POST", "/provisioning-templates", create).ok(); m["defaultVersionId"] != 1.0 || m["templateArn"] != arn+"provisioningtemplate/tpl" {
		t.Fatal(m)
	}
	c.iot("POST", "/provisioning-templates", create).fails(409, "ResourceAlreadyExistsException")
	for name, change := range map[string]func(map[string]any){
		"no body": func(m map[string]any) { m["templateBody"] = "{}" },
		"no JSON": func(m map[string]any) { m["templateBody"] = "{" },
		"name":    func(m map[string]any) { m["templateName"] = strings.Repeat("x", 37) },
		"no role": func(m map[string]any) { delete(m, "provisioningRoleArn") },
		"type":    func(m map[string]any) { m["type"] = "X" },
		"hook":    func(m map[string]any) { m["preProvisioningHook"] = map[string]string{} },
		"parameter": func(m map[string]any) {
			m["templateBody"] = strings.ReplaceAll(templateBody, `{"Ref":"S"}`, `{"Ref":"T"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := map[string]any{}
			for k, v := range create {
				bad[k] = v
			}
			bad["templateName"] = "bad"
			change(bad)
			c.iot("POST", "/provisioning-templates", bad).fails(400, "InvalidRequestException")
		})
	}
	d := c.iot("GET", "/provisioning-templates/tpl", nil).ok()
	if d["enabled"] != false || d["type"] != "FLEET_PROVISIONING" || d["templateBody"] != templateBody || d["description"] != "d" {
		t.Fatal(d)
	}
	c.iot("PATCH", "/provisioning-templates/tpl", map[string]any{"enabled": true, "preProvisioningHook": map[string]string{"targetArn": "arn:aws:lambda:us-east-1:123456789012:function:h"}}).ok()
	if d := c.iot("GET", "/provisioning-templates/tpl", nil).ok(); d["enabled"] != true || get(d, "preProvisioningHook", "payloadVersion") != "2020-04-01" {
		t.Fatal(d)
	}
	if v := c.iot("POST", "/provisioning-templates/tpl/versions?setAsDefault=true", map[string]string{"templateBody": templateBody}).ok(); v["versionId"] != 2.0 {
		t.Fatal(v)
	}
	c.iot("DELETE", "/provisioning-templates/tpl/versions/2", nil).fails(409, "DeleteConflictException")
	c.iot("DELETE", "/provisioning-templates/tpl/versions/1", nil).ok()
	wantList(t, column(c.iot("GET", "/provisioning-templates/tpl/versions", nil).ok()["versions"], "versionId"), "2")
	claim := c.iot("POST", "/provisioning-templates/tpl/provisioning-claim", nil).ok()
	if claim["certificateId"] == "" || get(claim, "keyPair", "PrivateKey") == nil || claim["expiration"].(float64) < 1e9 {
		t.Fatal(claim)
	}
	c.iot("POST", "/provisioning-templates/none/provisioning-claim", nil).fails(404, "ResourceNotFoundException")
	c.iot("DELETE", "/provisioning-templates/tpl", nil).ok()
	c.iot("GET", "/provisioning-templates/tpl", nil).fails(404, "ResourceNotFoundException")
	c.iot("DELETE", "/provisioning-templates/fountain-unit", nil).fails(409, "DeleteConflictException")
	if left := column(c.iot("GET", "/provisioning-templates", nil).ok()["templates"], "templateName"); !slices.Contains(left, "fountain-unit") || slices.Contains(left, "tpl") {
		t.Fatal(left)
	}

	made := c.iot("POST", "/keys-and-certificate", nil).ok()
	reg := map[string]any{"templateBody": templateBody, "parameters": map[string]any{"S": "7", "AWS::IoT::Certificate::Id": made["certificateId"]}}
	arns := c.iot("POST", "/things", reg).ok()["resourceArns"]
	if get(arns, "thing") != arn+"thing/z-7" || get(arns, "certificate") != made["certificateArn"] || get(arns, "policy") != arn+"policy/fountain-unit" {
		t.Fatal(arns)
	}
	c.iot("POST", "/things", map[string]any{"templateBody": templateBody}).fails(400, "InvalidRequestException")
}

func TestRulesAndEndpoint(t *testing.T) {
	c := newCloud(t)
	if all := column(c.iot("GET", "/rules", nil).ok()["rules"], "ruleName"); !slices.Contains(all, "fountain_consumption") {
		t.Fatal(all)
	}
	r := c.iot("GET", "/rules/fountain_consumption", nil).ok()
	if !strings.HasPrefix(get(r, "rule", "sql").(string), "SELECT ") || get(r, "rule", "actions", 0, "sqs", "queueUrl") == nil || get(r, "rule", "errorAction") == nil ||
		get(r, "rule", "actions", 0, "sqs", "roleArn") != "arn:aws:iam::123456789012:role/ConsumptionRole" {
		t.Fatal(r)
	}
	for _, name := range column(c.iot("GET", "/rules", nil).ok()["rules"], "ruleName") {
		actions, _ := get(c.iot("GET", "/rules/"+name, nil).ok(), "rule", "actions").([]any)
		if len(actions) == 0 || len(actions[0].(map[string]any)) != 1 {
			t.Errorf("rule %s does nothing: %v", name, actions)
		}
	}
	c.iot("GET", "/rules/none", nil).fails(401, "UnauthorizedException")
	c.iot("POST", "/rules/mine", map[string]any{"sql": "SELECT *", "actions": []any{}}).fails(400, "InvalidRequestException")
	if e := c.iot("GET", "/endpoint?endpointType=iot:Data-ATS", nil).ok(); e["endpointAddress"] != "localhost:1" {
		t.Fatal(e)
	}
	c.iot("GET", "/endpoint?endpointType=iot:Nothing", nil).fails(400, "InvalidRequestException")
	c.iot("GET", "/no/such/thing", nil).fails(404, "UnknownOperationException")
}

// TestEventConfigurations: nothing is published until it is asked for, and nobody is told to wait for what never comes.
func TestEventConfigurations(t *testing.T) {
	c := newCloud(t)
	d := c.iot("GET", "/event-configurations", nil).ok()
	if kinds := d["eventConfigurations"].(map[string]any); len(kinds) != 11 || get(d, "eventConfigurations", "JOB", "Enabled") != false || d["creationDate"] != nil {
		t.Error(d)
	}
	set := func(kind string, on bool) *answer {
		return c.iot("PATCH", "/event-configurations", map[string]any{"eventConfigurations": map[string]any{kind: map[string]any{"Enabled": on}}})
	}
	set("JOB", true).ok()
	set("THING", false).ok()
	set("JOB_EXECUTION", true).ok()
	set("JOB_EXECUTION", false).ok()
	set("THING", true).fails(400, "InvalidRequestException")
	set("WEATHER", true).fails(400, "InvalidRequestException")
	d = c.iot("GET", "/event-configurations", nil).ok()
	if get(d, "eventConfigurations", "JOB", "Enabled") != true || get(d, "eventConfigurations", "JOB_EXECUTION", "Enabled") != false ||
		get(d, "eventConfigurations", "THING", "Enabled") != false || d["creationDate"] == nil || d["lastModifiedDate"] == nil {
		t.Error(d)
	}
}

// TestExclusiveAttachment: a certificate that is attached exclusively has one thing, and a list tells which kind each is.
func TestExclusiveAttachment(t *testing.T) {
	c := newCloud(t)
	certificate := func() string {
		return c.iot("POST", "/keys-and-certificate", nil).ok()["certificateArn"].(string)
	}
	a, b := certificate(), certificate()
	c.iot("POST", "/things/a1", nil).ok()
	c.iot("POST", "/things/a2", nil).ok()
	attach := func(thing, cert, kind string) *answer {
		return c.iot("PUT", "/things/"+thing+"/principals"+kind, nil, "x-amzn-principal", cert)
	}
	const only, plural = "?thingPrincipalType=EXCLUSIVE_THING", "?thingPrincipalType=NON_EXCLUSIVE_THING"
	attach("a1", a, "?thingPrincipalType=SOMEHOW").fails(400, "InvalidRequestException")
	attach("a1", a, only).ok()
	attach("a1", a, only).ok()
	attach("a2", a, "").fails(400, "InvalidRequestException")
	attach("a2", a, only).fails(400, "InvalidRequestException")
	attach("a1", b, "").ok()
	attach("a2", b, plural).ok()
	attach("a1", b, only).fails(400, "InvalidRequestException")
	wantList(t, column(c.iot("GET", "/things/a1/principals", nil).ok()["principals"], ""), a, b)
	of := func(query string) []any {
		return c.iot("GET", "/things/a1/principals-v2"+query, nil).ok()["thingPrincipalObjects"].([]any)
	}
	wantList(t, column(of(""), "principal"), a, b)
	wantList(t, column(of(""), "thingPrincipalType"), "EXCLUSIVE_THING", "NON_EXCLUSIVE_THING")
	wantList(t, column(of(only), "principal"), a)
	wantList(t, column(of(plural), "principal"), b)
	things := c.iot("GET", "/principals/things-v2", nil, "x-amzn-principal", a).ok()["principalThingObjects"]
	wantList(t, column(things, "thingName"), "a1")
	wantList(t, column(things, "thingPrincipalType"), "EXCLUSIVE_THING")
	c.iot("DELETE", "/things/a1/principals", nil, "x-amzn-principal", a).ok()
	attach("a2", a, "").ok()
}

// The control plane by the AWS SDK for JavaScript, and by the stock aws command where it is installed.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import * as iot from '@aws-sdk/client-iot';
import { account, arn, closeAll, connect, credentials, everything, makeThing, policyOf, allow, region, startCloud, unique } from './cloud.mjs';

let cloud;
let send;
before(async () => { cloud = await startCloud(); send = (c) => cloud.iot.send(c); });
after(async () => { await cloud.stop(); });
afterEach(closeAll);

describe('things', () => {
  test('create, describe, update with version, list with pages and filters, delete', async () => {
    const thingTypeName = unique('type');
    await send(new iot.CreateThingTypeCommand({ thingTypeName, thingTypeProperties: { thingTypeDescription: 'x', searchableAttributes: ['colour'] } }));
    const names = [unique('list'), unique('list'), unique('list')];
    for (const thingName of names) {
      const made = await send(new iot.CreateThingCommand({ thingName, thingTypeName, attributePayload: { attributes: { colour: thingName } } }));
      assert.equal(made.thingArn, arn(`thing/${thingName}`));
      assert.ok(made.thingId);
    }
    const d = await send(new iot.DescribeThingCommand({ thingName: names[0] }));
    assert.equal(d.thingTypeName, thingTypeName);
    assert.equal(d.version, 1);
    assert.equal(d.defaultClientId, names[0]);
    assert.deepEqual(d.attributes, { colour: names[0] });
    await send(new iot.UpdateThingCommand({ thingName: names[0], attributePayload: { attributes: { size: 'l' }, merge: true }, expectedVersion: 1 }));
    assert.deepEqual((await send(new iot.DescribeThingCommand({ thingName: names[0] }))).attributes, { colour: names[0], size: 'l' });
    await assert.rejects(send(new iot.UpdateThingCommand({ thingName: names[0], attributePayload: { attributes: {} }, expectedVersion: 1 })), { name: 'VersionConflictException' });
    const byType = await send(new iot.ListThingsCommand({ thingTypeName }));
    assert.deepEqual(byType.things.map((t) => t.thingName).sort(), [...names].sort());
    const byAttribute = await send(new iot.ListThingsCommand({ attributeName: 'colour', attributeValue: names[1] }));
    assert.deepEqual(byAttribute.things.map((t) => t.thingName), [names[1]]);
    const seen = [];
    let nextToken;
    do {
      const page = await send(new iot.ListThingsCommand({ maxResults: 2, nextToken }));
      assert.ok(page.things.length <= 2);
      seen.push(...page.things.map((t) => t.thingName));
      nextToken = page.nextToken;
    } while (nextToken);
    for (const n of names) assert.equal(seen.filter((s) => s === n).length, 1);
    await send(new iot.DeleteThingCommand({ thingName: names[0] }));
    await assert.rejects(send(new iot.DescribeThingCommand({ thingName: names[0] })), { name: 'ResourceNotFoundException' });
  });
  test('the same thing again is fine, another of that name is not; bad names are refused', async () => {
    const thingName = unique('same');
    await send(new iot.CreateThingCommand({ thingName }));
    await send(new iot.CreateThingCommand({ thingName }));
    await assert.rejects(send(new iot.CreateThingCommand({ thingName, attributePayload: { attributes: { a: 'b' } } })), { name: 'ResourceAlreadyExistsException' });
    await assert.rejects(send(new iot.CreateThingCommand({ thingName: 'no spaces' })), { name: 'InvalidRequestException' });
    await assert.rejects(send(new iot.CreateThingCommand({ thingName: unique('x'), thingTypeName: unique('none') })), { name: 'ResourceNotFoundException' });
    await assert.rejects(send(new iot.DescribeThingCommand({ thingName: 'no spaces' })), { name: 'InvalidRequestException' });
    await assert.rejects(send(new iot.GetPolicyCommand({ policyName: 'no/slash' })), { name: 'InvalidRequestException' });
  });
});

test('deleting a thing that is not there is fine; a page token of nobody\'s is refused', async () => {
  await send(new iot.DeleteThingCommand({ thingName: unique('never') }));
  await assert.rejects(send(new iot.ListThingsCommand({ nextToken: 'garbage' })), { name: 'InvalidRequestException' });
});
test('groups have parents; a group\'s policy is its members\'', async () => {
  const [parentGroupName, thingGroupName] = [unique('group'), unique('group')];
  await send(new iot.CreateThingGroupCommand({ thingGroupName: parentGroupName }));
  const { thingGroupArn } = await send(new iot.CreateThingGroupCommand({ thingGroupName, parentGroupName }));
  const t = await makeThing(cloud, { policy: policyOf(allow('iot:Connect', 'client/*')) });
  await send(new iot.AddThingToThingGroupCommand({ thingGroupName, thingName: t.name }));
  assert.deepEqual((await send(new iot.ListThingsInThingGroupCommand({ thingGroupName: parentGroupName }))).things, []);
  assert.deepEqual((await send(new iot.ListThingsInThingGroupCommand({ thingGroupName: parentGroupName, recursive: true }))).things, [t.name]);
  const policyName = unique('policy');
  await send(new iot.CreatePolicyCommand({ policyName, policyDocument: policyOf(allow(['iot:Publish', 'iot:Receive'], 'topic/g'), allow('iot:Subscribe', 'topicfilter/g')) }));
  await send(new iot.AttachPolicyCommand({ policyName, target: thingGroupArn }));
  const c = await connect(cloud, t);
  await c.subscribe('g');
  await c.publish('g', 'hello');
  assert.equal((await c.next('g')).payload, 'hello');
});

describe('certificates and policies', () => {
  test('keys and certificate: inactive unless asked, then every state', async () => {
    const made = await send(new iot.CreateKeysAndCertificateCommand({}));
    assert.match(made.certificateId, /^[0-9a-f]{64}$/);
    assert.equal(made.certificateArn, arn(`cert/${made.certificateId}`));
    const status = async () => (await send(new iot.DescribeCertificateCommand({ certificateId: made.certificateId }))).certificateDescription.status;
    assert.equal(await status(), 'INACTIVE');
    await send(new iot.UpdateCertificateCommand({ certificateId: made.certificateId, newStatus: 'ACTIVE' }));
    assert.equal(await status(), 'ACTIVE');
    await assert.rejects(send(new iot.DeleteCertificateCommand({ certificateId: made.certificateId })), { name: 'CertificateStateException' });
    await send(new iot.UpdateCertificateCommand({ certificateId: made.certificateId, newStatus: 'INACTIVE' }));
    await send(new iot.DeleteCertificateCommand({ certificateId: made.certificateId }));
    await assert.rejects(send(new iot.DescribeCertificateCommand({ certificateId: made.certificateId })), { name: 'ResourceNotFoundException' });
  });
  test('what is attached cannot be deleted; lists tell who is attached to whom', async () => {
    const t = await makeThing(cloud);
    assert.deepEqual((await send(new iot.ListThingPrincipalsCommand({ thingName: t.name }))).principals, [t.certificateArn]);
    assert.deepEqual((await send(new iot.ListPrincipalThingsCommand({ principal: t.certificateArn }))).things, [t.name]);
    assert.deepEqual((await send(new iot.ListAttachedPoliciesCommand({ target: t.certificateArn }))).policies.map((p) => p.policyName), [t.policyName]);
    assert.deepEqual((await send(new iot.ListTargetsForPolicyCommand({ policyName: t.policyName }))).targets, [t.certificateArn]);
    await assert.rejects(send(new iot.DeletePolicyCommand({ policyName: t.policyName })), { name: 'DeleteConflictException' });
    await send(new iot.UpdateCertificateCommand({ certificateId: t.certificateId, newStatus: 'INACTIVE' }));
    await assert.rejects(send(new iot.DeleteCertificateCommand({ certificateId: t.certificateId })), { name: 'DeleteConflictException' });
    await send(new iot.DetachThingPrincipalCommand({ thingName: t.name, principal: t.certificateArn }));
    await send(new iot.DetachPolicyCommand({ policyName: t.policyName, target: t.certificateArn }));
    await send(new iot.DeleteCertificateCommand({ certificateId: t.certificateId }));
    await send(new iot.DeletePolicyCommand({ policyName: t.policyName }));
  });
  test('policy versions: five at most, the default one counts, a live connection feels it', async () => {
    const t = await makeThing(cloud);
    const c = await connect(cloud, t);
    const none = policyOf(allow('iot:Connect', 'client/*'));
    const v2 = await send(new iot.CreatePolicyVersionCommand({ policyName: t.policyName, policyDocument: none, setAsDefault: true }));
    assert.equal(v2.policyVersionId, '2');
    const until = Date.now() + 10_000;
    let closed = false;
    while (!closed && Date.now() < until) {
      c.publish('x', 'y').catch(() => {});
      closed = await c.ends(500);
    }
    assert.ok(closed, 'the old rights live on');
    for (let i = 0; i < 3; i++) await send(new iot.CreatePolicyVersionCommand({ policyName: t.policyName, policyDocument: everything }));
    await assert.rejects(send(new iot.CreatePolicyVersionCommand({ policyName: t.policyName, policyDocument: everything })), { name: 'VersionsLimitExceededException' });
    await assert.rejects(send(new iot.DeletePolicyVersionCommand({ policyName: t.policyName, policyVersionId: '2' })), { name: 'DeleteConflictException' });
    await send(new iot.SetDefaultPolicyVersionCommand({ policyName: t.policyName, policyVersionId: '1' }));
    await send(new iot.DeletePolicyVersionCommand({ policyName: t.policyName, policyVersionId: '2' }));
    const p = await send(new iot.GetPolicyCommand({ policyName: t.policyName }));
    assert.equal(p.defaultVersionId, '1');
    assert.deepEqual(JSON.parse(p.policyDocument), JSON.parse(everything));
  });
  for (const [what, policyDocument] of [
    ['no JSON', '{'],
    ['an unknown effect', policyOf({ Effect: 'Maybe', Action: 'iot:Publish', Resource: '*' })],
    ['more than 2,048 characters', policyOf(allow('iot:Publish', `topic/${'x'.repeat(2100)}`))],
  ]) {
    test(`a policy is refused: ${what}`, async () => {
      await assert.rejects(send(new iot.CreatePolicyCommand({ policyName: unique('bad'), policyDocument })), (e) => ['MalformedPolicyException', 'LimitExceededException'].includes(e.name) || assert.fail(e.name));
    });
  }
  test('what the template made is there', async () => {
    const { policies } = await send(new iot.ListPoliciesCommand({}));
    assert.ok(policies.some((p) => p.policyName === 'fountain-unit'));
    const { templates } = await send(new iot.ListProvisioningTemplatesCommand({}));
    assert.ok(templates.some((t) => t.templateName === cloud.ep.template && t.enabled));
  });
});

describe('provisioning', () => {
  test('templates: create, describe, versions, claim, delete', async () => {
    const templateName = unique('tpl').slice(0, 36);
    const templateBody = JSON.stringify({
      Parameters: { S: { Type: 'String' }, 'AWS::IoT::Certificate::Id': { Type: 'String' } },
      Resources: {
        certificate: { Type: 'AWS::IoT::Certificate', Properties: { CertificateId: { Ref: 'AWS::IoT::Certificate::Id' }, Status: 'Active' } },
        policy: { Type: 'AWS::IoT::Policy', Properties: { PolicyName: 'fountain-unit' } },
        thing: { Type: 'AWS::IoT::Thing', Properties: { ThingName: { 'Fn::Join': ['', ['x-', { Ref: 'S' }]] } } },
      },
    });
    const made = await send(new iot.CreateProvisioningTemplateCommand({ templateName, templateBody, enabled: true, provisioningRoleArn: `arn:aws:iam::${account}:role/provision` }));
    assert.equal(made.templateArn, arn(`provisioningtemplate/${templateName}`));
    const d = await send(new iot.DescribeProvisioningTemplateCommand({ templateName }));
    assert.equal(d.enabled, true);
    assert.deepEqual(JSON.parse(d.templateBody), JSON.parse(templateBody));
    const claim = await send(new iot.CreateProvisioningClaimCommand({ templateName }));
    assert.match(claim.certificatePem, /BEGIN CERTIFICATE/);
    assert.ok(claim.expiration > new Date());
    await send(new iot.DeleteProvisioningTemplateCommand({ templateName }));
    await assert.rejects(send(new iot.DescribeProvisioningTemplateCommand({ templateName })), { name: 'ResourceNotFoundException' });
    await assert.rejects(send(new iot.CreateProvisioningTemplateCommand({ templateName, templateBody: '{', enabled: true, provisioningRoleArn: `arn:aws:iam::${account}:role/provision` })), { name: 'InvalidRequestException' });
  });
  test('tags: when a group is made, added, changed, removed; a thing has none', async () => {
    const thingGroupName = unique('tagged');
    const { thingGroupArn: resourceArn } = await send(new iot.CreateThingGroupCommand({ thingGroupName, tags: [{ Key: 'a', Value: '1' }] }));
    await send(new iot.TagResourceCommand({ resourceArn, tags: [{ Key: 'a', Value: '2' }, { Key: 'b', Value: '' }, { Key: 'c', Value: 'x' }] }));
    await send(new iot.UntagResourceCommand({ resourceArn, tagKeys: ['b'] }));
    assert.deepEqual((await send(new iot.ListTagsForResourceCommand({ resourceArn }))).tags, [{ Key: 'a', Value: '2' }, { Key: 'c', Value: 'x' }]);
    await assert.rejects(send(new iot.ListTagsForResourceCommand({ resourceArn: `${resourceArn}-none` })), { name: 'ResourceNotFoundException' });
    await assert.rejects(send(new iot.TagResourceCommand({ resourceArn: arn('thing/x'), tags: [{ Key: 'a', Value: '1' }] })), { name: 'InvalidRequestException' });
  });
  test('jobs: a document that is no object, and a bucket that cannot be, are refused when the job is made', async () => {
    const thingName = unique('doc');
    const { thingArn } = await send(new iot.CreateThingCommand({ thingName }));
    const presignedUrlConfig = { roleArn: `arn:aws:iam::${account}:role/presign`, expiresInSec: 60 };
    for (const document of ['[]', '"x"', JSON.stringify({ u: '${aws:iot:s3-presigned-url:https://s3.us-east-1.amazonaws.com/No_Bucket/k}' })]) {
      await assert.rejects(send(new iot.CreateJobCommand({ jobId: unique('j'), targets: [thingArn], document, presignedUrlConfig })), { name: 'InvalidRequestException' });
    }
  });
  test('DescribeEndpoint names the data endpoint', async () => {
    const e = await send(new iot.DescribeEndpointCommand({ endpointType: 'iot:Data-ATS' }));
    assert.ok(e.endpointAddress);
  });
});

describe('a device over HTTPS', () => {
  /** One request with a client certificate. */
  const ask = (t, method, path, body) => new Promise((resolve, reject) => {
    const r = https.request(cloud.ep.https + path, { method, ca: cloud.ca, cert: t?.cert, key: t?.key }, (res) => {
      let text = '';
      res.on('data', (b) => { text += b; });
      res.on('end', () => resolve({ status: res.statusCode, text }));
    });
    r.on('error', reject);
    r.end(body);
  });
  test('publish, shadow, and what the policy forbids', async () => {
    const t = await makeThing(cloud, {
      policy: policyOf(allow('iot:Connect', 'client/*'), allow('iot:Subscribe', 'topicfilter/*'), allow('iot:Receive', 'topic/*'), allow('iot:Publish', 'topic/ok'), allow(['iot:GetThingShadow', 'iot:UpdateThingShadow'], 'thing/${iot:Connection.Thing.ThingName}', 'thing/*')),
    });
    const c = await connect(cloud, t);
    await c.subscribe('ok');
    assert.equal((await ask(t, 'POST', '/topics/ok?qos=1', 'hello')).status, 200);
    assert.equal((await c.next('ok')).payload, 'hello');
    assert.equal((await ask(t, 'POST', '/topics/forbidden?qos=1', 'x')).status, 403);
    assert.equal((await ask(t, 'POST', `/things/${t.name}/shadow`, '{"state":{"reported":{"a":1}}}')).status, 200);
    assert.equal(JSON.parse((await ask(t, 'GET', `/things/${t.name}/shadow`)).text).state.reported.a, 1);
  });
  test('no certificate and no signature: 403', async () => {
    assert.equal((await ask(null, 'POST', '/topics/x?qos=1', 'x')).status, 403);
  });
});

describe('the stock aws command', { skip: spawnSync('aws', ['--version']).error ? 'the aws command is not installed' : false }, () => {
  const aws = (...args) => {
    const out = execFileSync('aws', [...args, '--endpoint-url', cloud.ep.control, '--region', region, '--output', 'json'],
      { encoding: 'utf8', env: { ...process.env, AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey, AWS_PAGER: '' } });
    return out.trim() ? JSON.parse(out) : {};
  };
  test('things, certificates, policies, attachments', () => {
    const name = unique('cli');
    assert.equal(aws('iot', 'create-thing', '--thing-name', name).thingName, name);
    const keys = aws('iot', 'create-keys-and-certificate', '--set-as-active');
    aws('iot', 'create-policy', '--policy-name', name, '--policy-document', everything);
    aws('iot', 'attach-policy', '--policy-name', name, '--target', keys.certificateArn);
    aws('iot', 'attach-thing-principal', '--thing-name', name, '--principal', keys.certificateArn);
    assert.deepEqual(aws('iot', 'list-thing-principals', '--thing-name', name).principals, [keys.certificateArn]);
    assert.ok(aws('iot', 'list-things').things.some((t) => t.thingName === name));
  });
  test('jobs', () => {
    const name = unique('cli');
    aws('iot', 'create-thing', '--thing-name', name);
    aws('iot', 'create-job', '--job-id', name, '--targets', arn(`thing/${name}`), '--document', '{"operation":"selftest"}');
    assert.equal(aws('iot', 'describe-job', '--job-id', name).job.status, 'IN_PROGRESS');
    assert.equal(aws('iot-jobs-data', 'get-pending-job-executions', '--thing-name', name).queuedJobs[0].jobId, name);
    aws('iot', 'cancel-job', '--job-id', name);
    assert.equal(aws('iot', 'describe-job', '--job-id', name).job.status, 'CANCELED');
  });
  test('shadows', () => {
    const name = unique('cli');
    const file = path.join(cloud.dir, 'shadow.json');
    // Version 2 of the command wants to be told that a payload is plain text; version 1 knows no such option.
    const plain = execFileSync('aws', ['--version'], { encoding: 'utf8' }).startsWith('aws-cli/1') ? [] : ['--cli-binary-format', 'raw-in-base64-out'];
    const run = (...args) => {
      aws('iot-data', ...args, '--thing-name', name, file);
      return JSON.parse(readFileSync(file, 'utf8'));
    };
    assert.equal(run('update-thing-shadow', ...plain, '--payload', '{"state":{"desired":{"a":1}}}').version, 1);
    assert.deepEqual(run('get-thing-shadow').state.desired, { a: 1 });
  });
});

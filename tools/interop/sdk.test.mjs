// The official device SDK (aws-iot-device-sdk-v2): connect, publish, shadows, jobs, provisioning, on MQTT 3.1.1 and 5.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as control from '@aws-sdk/client-iot';
import { iot, iotidentity, iotjobs, iotshadow, mqtt, mqtt5 } from 'aws-iot-device-sdk-v2';
import { allow, arn, makeThing, patience, policyOf, startCloud, unique } from './cloud.mjs';

let cloud;
before(async () => { cloud = await startCloud(); });
after(async () => { await cloud.stop(); });

const limits = { maxRequestResponseSubscriptions: 8, maxStreamingSubscriptions: 4, operationTimeoutInSeconds: 10 };

const families = {
  'MQTT 3.1.1': {
    async connect(who, clientId = who.name) {
      const config = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder(who.cert, who.key).with_certificate_authority(cloud.ca)
        .with_endpoint(cloud.host).with_port(cloud.port).with_client_id(clientId).with_clean_session(true).with_keep_alive_seconds(60).build();
      const c = new mqtt.MqttClient().new_connection(config);
      await c.connect();
      return {
        raw: c,
        subscribe: (filter, f) => c.subscribe(filter, mqtt.QoS.AtLeastOnce, (topic, payload) => f(topic, Buffer.from(payload).toString())),
        publish: (topic, body) => c.publish(topic, body, mqtt.QoS.AtLeastOnce),
        end: () => c.disconnect(),
      };
    },
    shadow: (c) => iotshadow.IotShadowClientv2.newFromMqtt311(c.raw, limits),
    jobs: (c) => iotjobs.IotJobsClientv2.newFromMqtt311(c.raw, limits),
    identity: (c) => iotidentity.IotIdentityClientv2.newFromMqtt311(c.raw, limits),
  },
  'MQTT 5': {
    async connect(who, clientId = who.name) {
      const config = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromMemory(cloud.host, who.cert, who.key)
        .withCertificateAuthority(cloud.ca).withPort(cloud.port).withConnectProperties({ clientId, keepAliveIntervalSeconds: 60 }).build();
      const c = new mqtt5.Mqtt5Client(config);
      const connected = once(c, 'connectionSuccess');
      c.on('connectionFailure', (e) => { throw new Error(`connect: ${e.error}`); });
      c.start();
      await connected;
      const handlers = [];
      c.on('messageReceived', ({ message }) => handlers.forEach((h) => h(message.topicName, Buffer.from(message.payload ?? '').toString())));
      return {
        raw: c,
        subscribe: async (filter, f) => { handlers.push(f); await c.subscribe({ subscriptions: [{ topicFilter: filter, qos: mqtt5.QoS.AtLeastOnce }] }); },
        publish: (topicName, payload) => c.publish({ topicName, payload, qos: mqtt5.QoS.AtLeastOnce }),
        end: async () => { const stopped = once(c, 'stopped'); c.stop(); await stopped; c.close(); },
      };
    },
    shadow: (c) => iotshadow.IotShadowClientv2.newFromMqtt5(c.raw, limits),
    jobs: (c) => iotjobs.IotJobsClientv2.newFromMqtt5(c.raw, limits),
    identity: (c) => iotidentity.IotIdentityClientv2.newFromMqtt5(c.raw, limits),
  },
};

/** event waits for one event of an SDK stream. */
async function event(stream, act) {
  const got = new Promise((resolve) => stream.on('incomingPublish', resolve));
  const established = new Promise((resolve) => stream.on('subscriptionStatus', resolve));
  stream.open();
  await established;
  await act();
  const e = await Promise.race([got, sleep(patience, null, { ref: false })]);
  stream.close();
  assert.ok(e, 'no event');
  return e.message ?? e;
}

for (const [family, sdk] of Object.entries(families)) {
  describe(family, () => {
    test('connect, publish, subscribe', async () => {
      const t = await makeThing(cloud);
      const c = await sdk.connect(t);
      const got = new Promise((resolve) => c.subscribe('sdk/+', (topic, payload) => resolve([topic, payload])));
      await sleep(200);
      await c.publish('sdk/hello', 'world');
      assert.deepEqual(await got, ['sdk/hello', 'world']);
      await c.end();
    });

    for (const [kind, shadowName] of [['classic', undefined], ['named', 'config']]) {
      test(`${kind} shadow: update, get, delta stream, delete`, async () => {
        const t = await makeThing(cloud);
        const c = await sdk.connect(t);
        const s = sdk.shadow(c);
        const of = (op) => (request) => s[op.replace('Shadow', shadowName ? 'NamedShadow' : 'Shadow')]({ thingName: t.name, shadowName, ...request });
        await assert.rejects(of('getShadow')({}), (e) => e.modeledError?.code === 404 || assert.fail(String(e)));
        const delta = await event(
          shadowName ? s.createNamedShadowDeltaUpdatedStream({ thingName: t.name, shadowName }) : s.createShadowDeltaUpdatedStream({ thingName: t.name }),
          async () => {
            const up = await of('updateShadow')({ state: { desired: { colour: 'green' }, reported: { colour: 'red' } } });
            assert.equal(up.version, 1);
          });
        assert.deepEqual(delta.state, { colour: 'green' });
        const got = await of('getShadow')({});
        assert.deepEqual(got.state.desired, { colour: 'green' });
        assert.deepEqual(got.state.delta, { colour: 'green' });
        assert.ok(Math.abs(got.timestamp * 1000 - Date.now()) < 60_000);
        await of('deleteShadow')({});
        s.close();
        await c.end();
      });
    }

    test('jobs: next-changed stream, start, update, describe', async () => {
      const t = await makeThing(cloud);
      const c = await sdk.connect(t);
      const j = sdk.jobs(c);
      const jobId = unique('sdk');
      const next = await event(j.createNextJobExecutionChangedStream({ thingName: t.name }), () =>
        cloud.iot.send(new control.CreateJobCommand({ jobId, targets: [arn(`thing/${t.name}`)], document: '{"operation":"diag"}' })));
      assert.equal(next.execution.jobId, jobId);
      assert.deepEqual((await j.getPendingJobExecutions({ thingName: t.name })).queuedJobs.map((x) => x.jobId), [jobId]);
      const { execution } = await j.startNextPendingJobExecution({ thingName: t.name });
      assert.deepEqual(execution.jobDocument, { operation: 'diag' });
      assert.ok(Math.abs(execution.startedAt * 1000 - Date.now()) < 60_000, 'times are seconds');
      await j.updateJobExecution({ thingName: t.name, jobId, status: 'SUCCEEDED', expectedVersion: execution.versionNumber });
      await assert.rejects(j.updateJobExecution({ thingName: t.name, jobId, status: 'IN_PROGRESS' }), (e) => e.modeledError?.code === 'InvalidStateTransition' || assert.fail(String(e)));
      await assert.rejects(j.describeJobExecution({ thingName: t.name, jobId: unique('none') }), (e) => e.modeledError?.code === 'ResourceNotFound' || assert.fail(String(e)));
      j.close();
      await c.end();
    });

    test('fleet provisioning by CSR with the claim certificate: the new identity connects', async () => {
      const serial = unique('SDK');
      const { key, csr } = newCSR();
      const c = await sdk.connect(cloud.claim, `claim-${serial}`);
      const id = sdk.identity(c);
      const made = await id.createCertificateFromCsr({ certificateSigningRequest: csr });
      assert.match(made.certificatePem, /BEGIN CERTIFICATE/);
      const before = await statusOf(made.certificateId);
      assert.equal(before, 'PENDING_ACTIVATION');
      const thing = await id.registerThing({ templateName: cloud.ep.template, certificateOwnershipToken: made.certificateOwnershipToken, parameters: { SerialNumber: serial } });
      assert.equal(thing.thingName, `fountain-${serial}`);
      assert.deepEqual(thing.deviceConfiguration, {});
      await assert.rejects(id.registerThing({ templateName: cloud.ep.template, certificateOwnershipToken: '', parameters: { SerialNumber: serial } }),
        (e) => e.modeledError?.errorCode === 'InvalidCertificateOwnershipToken' || assert.fail(String(e)));
      id.close();
      await c.end();
      assert.equal(await statusOf(made.certificateId), 'ACTIVE');
      const unit = await sdk.connect({ name: thing.thingName, cert: made.certificatePem, key });
      await unit.publish(`$aws/rules/fountain_consumption/c/${thing.thingName}`, '[]');
      await unit.end();

      // The serial is taken now.
      const thief = await sdk.connect(cloud.claim, `claim-${serial}`);
      const steal = sdk.identity(thief);
      const other = await steal.createCertificateFromCsr({ certificateSigningRequest: newCSR().csr });
      await assert.rejects(steal.registerThing({ templateName: cloud.ep.template, certificateOwnershipToken: other.certificateOwnershipToken, parameters: { SerialNumber: serial } }),
        (e) => e.modeledError?.errorCode === 'AccessDenied' || assert.fail(String(e)));
      steal.close();
      await thief.end();
    });

    test('fleet provisioning by created keys, for a claim that may', async () => {
      const policyDocument = policyOf(
        allow('iot:Connect', 'client/*'),
        allow(['iot:Publish', 'iot:Receive'], 'topic/$aws/certificates/create/*', 'topic/$aws/provisioning-templates/*'),
        allow('iot:Subscribe', 'topicfilter/$aws/certificates/create/*', 'topicfilter/$aws/provisioning-templates/*'));
      const claim = await makeThing(cloud, { policy: policyDocument });
      const c = await sdk.connect(claim);
      const id = sdk.identity(c);
      const made = await id.createKeysAndCertificate({});
      assert.match(made.privateKey, /PRIVATE KEY/);
      const serial = unique('KEYS');
      const thing = await id.registerThing({ templateName: cloud.ep.template, certificateOwnershipToken: made.certificateOwnershipToken, parameters: { SerialNumber: serial } });
      id.close();
      await c.end();
      const unit = await sdk.connect({ name: thing.thingName, cert: made.certificatePem, key: made.privateKey });
      await unit.end();
    });
  });
}

async function statusOf(certificateId) {
  const { certificateDescription } = await cloud.iot.send(new control.DescribeCertificateCommand({ certificateId }));
  return certificateDescription.status;
}

function newCSR() {
  const dir = mkdtempSync(path.join(tmpdir(), 'csr-'));
  try {
    execFileSync('openssl', ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path.join(dir, 'key'), '-out', path.join(dir, 'csr'), '-subj', '/CN=x'], { stdio: 'ignore' });
    const [key, csr] = ['key', 'csr'].map((f) => readFileSync(path.join(dir, f), 'utf8'));
    return { key, csr };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

// MQTT 3.1.1 and 5 as AWS IoT Core speaks it, by mqtt.js.
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as iot from '@aws-sdk/client-iot';
import { allow, closeAll, connect, eventually, makeThing, patience, policyOf, silence, startCloud, unique } from './cloud.mjs';

let cloud;
before(async () => { cloud = await startCloud(); });
after(async () => { await cloud.stop(); });
afterEach(closeAll);

const bytes = (n) => Buffer.alloc(n, 'x');

/** A TLS connection that may fail; resolves to its error or null. */
function handshake(options) {
  return new Promise((resolve) => {
    const s = tls.connect({ host: cloud.host, port: cloud.port, servername: cloud.host, ca: cloud.ca, ...options });
    let done = false;
    const end = (e) => { if (!done) { done = true; s.destroy(); resolve(e); } };
    s.on('error', end);
    s.on('close', () => end(new Error('closed')));
    // With TLS 1.3 a refused client certificate is told after the handshake.
    s.on('secureConnect', () => setTimeout(() => end(null), silence));
  });
}

describe('connection', () => {
  test('no client certificate: refused', async () => assert.ok(await handshake({})));
  test('no SNI: refused', async () => {
    const t = await makeThing(cloud);
    assert.ok(await handshake({ servername: '', cert: t.cert, key: t.key, checkServerIdentity: () => undefined }));
  });
  test('ALPN x-amzn-mqtt-ca is chosen; no ALPN works too', async () => {
    const t = await makeThing(cloud);
    assert.equal(await handshake({ cert: t.cert, key: t.key, ALPNProtocols: ['x-amzn-mqtt-ca'] }), null);
    assert.equal(await handshake({ cert: t.cert, key: t.key }), null);
  });
  test('TLS 1.1 is refused, 1.2 and 1.3 work', async () => {
    const t = await makeThing(cloud);
    assert.ok(await handshake({ cert: t.cert, key: t.key, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }));
    for (const v of ['TLSv1.2', 'TLSv1.3']) assert.equal(await handshake({ cert: t.cert, key: t.key, minVersion: v, maxVersion: v }), null, v);
  });
  test('an inactive certificate cannot connect, and a live connection ends when it is deactivated', async () => {
    const t = await makeThing(cloud);
    const c = await connect(cloud, t);
    await cloud.iot.send(new iot.UpdateCertificateCommand({ certificateId: t.certificateId, newStatus: 'INACTIVE' }));
    assert.ok(await c.ends(), 'still connected');
    await sleep(1100);
    await assert.rejects(connect(cloud, t));
    await cloud.iot.send(new iot.UpdateCertificateCommand({ certificateId: t.certificateId, newStatus: 'ACTIVE' }));
    await sleep(1100);
    await connect(cloud, t);
  });
  test('a policy without iot:Connect refuses; detaching it ends the connection or its rights', async () => {
    const t = await makeThing(cloud, { policy: policyOf(allow('iot:Publish', 'topic/a')) });
    await assert.rejects(connect(cloud, t));
  });
  for (const version of [4, 5]) {
    test(`MQTT ${version}: takeover by the same client id`, async () => {
      const t = await makeThing(cloud);
      const one = await connect(cloud, t, { version });
      await sleep(1100);
      const two = await connect(cloud, t, { version });
      assert.ok(await one.ends(), 'the old connection lives');
      if (version === 5) assert.equal(one.disconnect?.reasonCode, 0x8e);
      assert.ok(await two.open());
    });
    test(`MQTT ${version}: any user name and password pass beside a certificate`, async () => {
      const t = await makeThing(cloud);
      await connect(cloud, t, { version, username: '?SDK=NodeJSv2&Version=1', password: 'x' });
    });
    test(`MQTT ${version}: client id of 129 bytes is refused, 128 passes`, async () => {
      const t = await makeThing(cloud);
      await connect(cloud, t, { version, clientId: 'c'.repeat(128) });
      await assert.rejects(connect(cloud, t, { version, clientId: 'c'.repeat(129) }));
    });
    test(`MQTT ${version}: client id beginning with $ is refused`, async () => {
      const t = await makeThing(cloud);
      await assert.rejects(connect(cloud, t, { version, clientId: '$x' }));
    });
  }
  test('MQTT 3.1 (level 3) is refused', async () => {
    const t = await makeThing(cloud);
    await assert.rejects(connect(cloud, t, { version: 3, protocolId: 'MQIsdp' }));
  });
  test('CONNACK of MQTT 5 tells what AWS supports', async () => {
    const t = await makeThing(cloud);
    const p = (await connect(cloud, t, { version: 5, properties: { sessionExpiryInterval: 7200 } })).connack.properties;
    assert.equal(p.maximumQoS, 1);
    assert.ok(p.receiveMaximum <= 100);
    assert.notEqual(p.retainAvailable, false);
    assert.notEqual(p.wildcardSubscriptionAvailable, false);
    assert.notEqual(p.sharedSubscriptionAvailable, false);
    assert.equal(p.subscriptionIdentifiersAvailable, false);
    assert.equal(p.topicAliasMaximum, 8);
    assert.equal(p.sessionExpiryInterval, 3600);
    assert.ok(p.maximumPacketSize >= 131072);
  });
  test('keep-alive: 5 s is raised to 30 s (MQTT 5 is told so)', async () => {
    const t = await makeThing(cloud);
    const c = await connect(cloud, t, { version: 5, keepalive: 5, reschedulePings: false });
    assert.equal(c.connack.properties.serverKeepAlive, 30);
    const d = await connect(cloud, t, { version: 5, clientId: unique('k'), keepalive: 3000 });
    assert.equal(d.connack.properties.serverKeepAlive, 1200);
  });
  test('a second CONNECT on a connection ends it', async () => {
    const t = await makeThing(cloud);
    const c = await connect(cloud, t);
    c.raw._writePacket?.({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: t.name, keepalive: 60 });
    assert.ok(await c.ends());
  });
  test('a client that does not speak MQTT is dropped', async () => {
    const s = net.connect(cloud.port, cloud.host);
    s.on('error', () => {});
    s.write('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => s.on('close', resolve));
  });
});

describe('publish and subscribe', () => {
  for (const version of [4, 5]) {
    test(`MQTT ${version}: QoS 0 and 1 are delivered, QoS 1 acknowledged`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.subscribe('room/+/t');
      await c.publish('room/1/t', 'a', { qos: 0 });
      await c.publish('room/2/t', 'b', { qos: 1 });
      assert.equal((await c.next('room/1/t')).payload, 'a');
      assert.equal((await c.next('room/2/t')).payload, 'b');
    });
    test(`MQTT ${version}: QoS 2 publish is not answered or ends the connection`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      const done = c.publish('a', 'x', { qos: 2 }).then(() => 'acknowledged', () => 'failed');
      assert.notEqual(await Promise.race([done, sleep(silence, 'silence')]), 'acknowledged');
    });
    test(`MQTT ${version}: x/# does not match x`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.subscribe('tree/#');
      await c.publish('tree', 'no');
      await c.publish('tree/leaf', 'yes');
      assert.equal((await c.next('tree/leaf')).payload, 'yes');
      await c.nothing('tree');
    });
    test(`MQTT ${version}: 131,072 bytes pass, one more ends the connection`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.publish('big', bytes(131072));
      c.publish('big', bytes(131073)).catch(() => {});
      assert.ok(await c.ends());
    });
    test(`MQTT ${version}: 7 slashes pass, 8 do not`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.publish('1/2/3/4/5/6/7/8', 'x');
      const refused = c.publish('1/2/3/4/5/6/7/8/9', 'x').then(() => false, () => true);
      assert.ok(await Promise.race([refused, c.ends()]));
    });
    test(`MQTT ${version}: a topic of 256 bytes passes, 257 does not`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.publish('t'.repeat(256), 'x');
      const refused = c.publish('t'.repeat(257), 'x').then(() => false, () => true);
      assert.ok(await Promise.race([refused, c.ends()]));
    });
    test(`MQTT ${version}: the Basic Ingest prefix is exempt from slashes and length`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.publish(`$aws/rules/no_such_rule/1/2/3/4/5/6/7/8`, 'x');
      await c.publish(`$aws/rules/no_such_rule/${'t'.repeat(256)}`, 'x');
      assert.ok(await c.open());
    });
    test(`MQTT ${version}: 8 filters in one SUBSCRIBE pass, 9 do not`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.subscribe([...'abcdefgh'].map((x) => `f/${x}`));
      const refused = c.subscribe([...'abcdefghi'].map((x) => `g/${x}`)).then((g) => g.some((s) => s.qos >= 128), () => true);
      assert.ok(await Promise.race([refused, c.ends()]));
    });
    test(`MQTT ${version}: 50 subscriptions pass, the 51st does not`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      for (let i = 0; i < 50; i += 5) await c.subscribe([0, 1, 2, 3, 4].map((k) => `s/${i + k}`));
      const refused = c.subscribe('s/51').then((g) => g.some((s) => s.qos >= 128), () => true);
      assert.ok(await Promise.race([refused, c.ends()]));
    });
    test(`MQTT ${version}: publishing without permission ends the connection (3.1.1) or is told (5)`, async () => {
      const t = await makeThing(cloud, { policy: policyOf(allow('iot:Connect', 'client/*'), allow('iot:Publish', 'topic/mine')) });
      const c = await connect(cloud, t, { version });
      await c.publish('mine', 'x');
      const told = c.publish('yours', 'x').then(() => 'acknowledged', (e) => (version === 5 && e.code === 0x87 ? 'told' : 'failed'));
      assert.notEqual(await Promise.race([told, c.ends().then(() => 'closed')]), 'acknowledged');
    });
    test(`MQTT ${version}: subscribing without permission ends the connection or fails`, async () => {
      const t = await makeThing(cloud, { policy: policyOf(allow('iot:Connect', 'client/*'), allow('iot:Subscribe', 'topicfilter/mine')) });
      const c = await connect(cloud, t, { version });
      await c.subscribe('mine');
      const refused = c.subscribe('yours').then((g) => g.some((s) => s.qos >= 128), () => true);
      assert.ok(await Promise.race([refused, c.ends()]));
    });
    test(`MQTT ${version}: Subscribe does not imply Receive`, async () => {
      const t = await makeThing(cloud, {
        policy: policyOf(allow('iot:Connect', 'client/*'), allow('iot:Publish', 'topic/*'), allow('iot:Subscribe', 'topicfilter/open/#'), allow('iot:Receive', 'topic/open/a')),
      });
      const c = await connect(cloud, t, { version });
      await c.subscribe('open/#');
      await c.publish('open/b', 'secret');
      await c.publish('open/a', 'fine');
      assert.equal((await c.next('open/a')).payload, 'fine');
      await c.nothing('open/b');
    });
    test(`MQTT ${version}: explicit deny wins`, async () => {
      const t = await makeThing(cloud, { policy: policyOf(allow('iot:*', '*'), { ...allow('iot:Publish', 'topic/secret/*'), Effect: 'Deny' }) });
      const c = await connect(cloud, t, { version });
      await c.publish('open', 'x');
      const refused = c.publish('secret/x', 'x').then(() => false, () => true);
      assert.ok(await Promise.race([refused, c.ends()]));
    });
    test(`MQTT ${version}: # and + do not reach $ topics; clients cannot publish events`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      await c.subscribe(['#', '+/events/#']);
      const d = await connect(cloud, t, { version, clientId: unique('other') });
      await d.end();
      await c.nothing((m) => m.topic.startsWith('$'));
      c.publish('$aws/events/presence/connected/x', '{}').catch(() => {});
      assert.ok(await c.ends());
    });
    test(`MQTT ${version}: nobody can subscribe to Basic Ingest`, async () => {
      const t = await makeThing(cloud);
      const c = await connect(cloud, t, { version });
      const refused = c.subscribe('$aws/rules/fountain_consumption/c/x').then((g) => g.some((s) => s.qos >= 128), () => true);
      assert.ok(await Promise.race([refused, c.ends()]));
    });
  }
  test('thing variables resolve only for the thing that is the client id', async () => {
    const policy = policyOf(allow('iot:Connect', 'client/*'), allow('iot:Publish', 'topic/c/${iot:Connection.Thing.ThingName}'));
    const t = await makeThing(cloud, { policy });
    const c = await connect(cloud, t);
    await c.publish(`c/${t.name}`, 'x');
    const stranger = await connect(cloud, t, { clientId: unique('stranger') });
    stranger.publish(`c/${t.name}`, 'x').catch(() => {});
    assert.ok(await stranger.ends());
  });
  test('more than 100 messages a second: the excess is not acknowledged', async () => {
    const t = await makeThing(cloud);
    const c = await connect(cloud, t);
    let acknowledged = 0;
    for (let i = 0; i < 300; i++) c.publish('flood', 'x').then(() => { acknowledged++; }, () => {});
    await sleep(2 * silence);
    assert.ok(acknowledged >= 90 && acknowledged < 280, `${acknowledged} of 300 acknowledged`);
  });
  test('a shared subscription gives each message to one of the group', async () => {
    const t = await makeThing(cloud);
    const group = [];
    for (let i = 0; i < 2; i++) {
      const c = await connect(cloud, t, { version: 5, clientId: unique('share') });
      await c.subscribe('$share/g/work/+');
      group.push(c);
    }
    const p = await connect(cloud, t, { version: 5, clientId: unique('p') });
    for (let i = 0; i < 20; i++) await p.publish(`work/${i}`, String(i));
    await eventually(() => group[0].inbox.length + group[1].inbox.length >= 20);
    assert.equal(group[0].inbox.length + group[1].inbox.length, 20);
  });
  test('MQTT 5: properties travel, and a topic alias works', async () => {
    const t = await makeThing(cloud);
    const c = await connect(cloud, t, { version: 5 });
    await c.subscribe('props');
    const properties = { contentType: 'text/plain', responseTopic: 'answers', correlationData: Buffer.from('c1'), userProperties: { a: 'b' }, payloadFormatIndicator: true };
    await c.publish('props', 'x', { qos: 1, properties: { ...properties, topicAlias: 1 } });
    const got = (await c.next('props')).packet.properties;
    assert.equal(got.contentType, 'text/plain');
    assert.equal(got.responseTopic, 'answers');
    assert.equal(got.correlationData.toString(), 'c1');
    assert.equal(got.userProperties.a, 'b');
    await c.publish('', 'y', { qos: 1, properties: { topicAlias: 1 } });
    assert.equal((await c.next('props')).payload, 'y');
  });
  test('MQTT 5: a message that has expired is not delivered to a session that comes back', async () => {
    const t = await makeThing(cloud);
    const id = unique('sleeper');
    const opts = { version: 5, clientId: id, clean: false, properties: { sessionExpiryInterval: 600 } };
    const c = await connect(cloud, t, opts);
    await c.subscribe('news');
    await c.drop();
    const p = await connect(cloud, t, { version: 5, clientId: unique('p') });
    await p.publish('news', 'short', { qos: 1, properties: { messageExpiryInterval: 1 } });
    await p.publish('news', 'long', { qos: 1 });
    await sleep(2500);
    const back = await connect(cloud, t, opts);
    assert.equal((await back.next('news')).payload, 'long');
    await back.nothing('news');
  });
});

describe('sessions', () => {
  test('MQTT 3.1.1: a persistent session keeps subscriptions and QoS 1 messages, and says so', async () => {
    const t = await makeThing(cloud);
    const opts = { clientId: unique('keep'), clean: false };
    const c = await connect(cloud, t, opts);
    assert.equal(c.connack.sessionPresent, false);
    await c.subscribe(['q1', 'q0']);
    await c.end();
    const p = await connect(cloud, t, { clientId: unique('p') });
    await p.publish('q1', 'kept', { qos: 1 });
    await p.publish('q0', 'lost', { qos: 0 });
    await sleep(1100);
    const raw = connect(cloud, t, opts);
    const back = await raw;
    assert.equal(back.connack.sessionPresent, true);
    assert.equal((await back.next('q1')).payload, 'kept');
    await back.nothing('q0');
  });
  test('a clean session forgets', async () => {
    const t = await makeThing(cloud);
    const id = unique('forget');
    const c = await connect(cloud, t, { clientId: id, clean: false });
    await c.subscribe('x');
    await c.end();
    await sleep(1100);
    const clean = await connect(cloud, t, { clientId: id, clean: true });
    assert.equal(clean.connack.sessionPresent, false);
    await clean.end();
    await sleep(1100);
    const again = await connect(cloud, t, { clientId: id, clean: false });
    assert.equal(again.connack.sessionPresent, false);
  });
  test('a 3.1.1 session cannot be resumed by MQTT 5', async () => {
    const t = await makeThing(cloud);
    const id = unique('cross');
    const c = await connect(cloud, t, { clientId: id, clean: false });
    await c.subscribe('x');
    await c.end();
    await sleep(1100);
    const other = await connect(cloud, t, { clientId: id, clean: false, version: 5, properties: { sessionExpiryInterval: 600 } });
    assert.equal(other.connack.sessionPresent, false);
  });
});

describe('retained messages and wills', () => {
  test('an exact filter gets the retained message, a wildcard does not; an empty one deletes', async () => {
    const t = await makeThing(cloud);
    const topic = `kept/${unique('r')}`;
    const p = await connect(cloud, t);
    await p.publish(topic, 'v', { qos: 1, retain: true });
    const exact = await connect(cloud, t, { clientId: unique('e') });
    await exact.subscribe(topic);
    const m = await exact.next(topic);
    assert.equal(m.payload, 'v');
    assert.equal(m.packet.retain, true);
    const wild = await connect(cloud, t, { clientId: unique('w') });
    await wild.subscribe('kept/+');
    await wild.nothing(topic);
    await p.publish(topic, '', { qos: 1, retain: true });
    const late = await connect(cloud, t, { clientId: unique('l') });
    await late.subscribe(topic);
    await late.nothing(topic);
  });
  test('retaining needs iot:RetainPublish', async () => {
    const t = await makeThing(cloud, { policy: policyOf(allow('iot:Connect', 'client/*'), allow('iot:Publish', 'topic/*')) });
    const c = await connect(cloud, t);
    await c.publish('a', 'x');
    const refused = c.publish('a', 'x', { qos: 1, retain: true }).then(() => false, () => true);
    assert.ok(await Promise.race([refused, c.ends()]));
  });
  test('a will is sent when the line dies, not after a DISCONNECT', async () => {
    const t = await makeThing(cloud);
    const watch = await connect(cloud, t);
    await watch.subscribe('will/+');
    const will = (name) => ({ topic: `will/${name}`, payload: 'gone', qos: 1 });
    const polite = await connect(cloud, t, { clientId: unique('polite'), will: will('polite') });
    await polite.end();
    const rude = await connect(cloud, t, { clientId: unique('rude'), will: will('rude') });
    await rude.drop();
    assert.equal((await watch.next('will/rude')).payload, 'gone');
    await watch.nothing('will/polite');
  });
  test('a will whose topic the policy forbids, or with QoS 2, refuses the connection', async () => {
    const t = await makeThing(cloud, { policy: policyOf(allow('iot:Connect', 'client/*'), allow('iot:Publish', 'topic/ok')) });
    await connect(cloud, t, { clientId: unique('w'), will: { topic: 'ok', payload: 'x', qos: 1 } });
    await assert.rejects(connect(cloud, t, { clientId: unique('w'), will: { topic: 'forbidden', payload: 'x', qos: 1 } }));
    await assert.rejects(connect(cloud, t, { clientId: unique('w'), will: { topic: 'ok', payload: 'x', qos: 2 } }));
  });
});

describe('lifecycle events', () => {
  test('connected, subscribed, unsubscribed and disconnected are told with AWS fields', async () => {
    const t = await makeThing(cloud);
    const watch = await connect(cloud, t);
    await watch.subscribe(['$aws/events/presence/#', '$aws/events/subscriptions/#']);
    const id = unique('lifecycle');
    const c = await connect(cloud, t, { clientId: id });
    const on = await watch.json(`$aws/events/presence/connected/${id}`);
    assert.equal(on.clientId, id);
    assert.equal(on.eventType, 'connected');
    assert.equal(on.principalIdentifier, t.certificateId);
    assert.ok(on.timestamp > 1e12 && typeof on.sessionIdentifier === 'string' && typeof on.versionNumber === 'number' && on.ipAddress);
    await c.subscribe('life/x');
    const sub = await watch.json(`$aws/events/subscriptions/subscribed/${id}`);
    assert.deepEqual(sub.topics, ['life/x']);
    await new Promise((resolve) => c.raw.unsubscribe('life/x', resolve));
    assert.deepEqual((await watch.json(`$aws/events/subscriptions/unsubscribed/${id}`)).topics, ['life/x']);
    await c.end();
    const off = await watch.json(`$aws/events/presence/disconnected/${id}`);
    assert.equal(off.eventType, 'disconnected');
    assert.equal(off.clientInitiatedDisconnect, true);
    assert.equal(off.disconnectReason, 'CLIENT_INITIATED_DISCONNECT');
    assert.equal(off.versionNumber, on.versionNumber);
    assert.equal(off.sessionIdentifier, on.sessionIdentifier);
  });
  for (const [what, reason, act] of [
    ['a lost line', 'CONNECTION_LOST', (c) => c.drop()],
    ['an oversize payload', 'CLIENT_ERROR', (c) => { c.publish('x', bytes(131073)).catch(() => {}); }],
  ]) {
    test(`disconnected after ${what}: ${reason}`, async () => {
      const t = await makeThing(cloud);
      const watch = await connect(cloud, t);
      await watch.subscribe('$aws/events/presence/disconnected/#');
      const id = unique('reason');
      const c = await connect(cloud, t, { clientId: id });
      await act(c);
      const off = await watch.json(`$aws/events/presence/disconnected/${id}`);
      assert.equal(off.disconnectReason, reason);
      assert.equal(off.clientInitiatedDisconnect, false);
    });
  }
  test('disconnected after a takeover: DUPLICATE_CLIENTID; connect_failed is told', async () => {
    const t = await makeThing(cloud);
    const watch = await connect(cloud, t);
    await watch.subscribe(['$aws/events/presence/disconnected/#', '$aws/events/presence/connect_failed/#']);
    const id = unique('twice');
    await connect(cloud, t, { clientId: id });
    await sleep(1100);
    await connect(cloud, t, { clientId: id });
    assert.equal((await watch.json(`$aws/events/presence/disconnected/${id}`)).disconnectReason, 'DUPLICATE_CLIENTID');
    const poor = await makeThing(cloud, { policy: policyOf(allow('iot:Publish', 'topic/a')) });
    await assert.rejects(connect(cloud, poor));
    const failed = await watch.json(`$aws/events/presence/connect_failed/${poor.name}`);
    assert.equal(failed.eventType, 'connect_failed');
  });
});

// Device shadows over MQTT and HTTPS, by mqtt.js and the AWS SDK for JavaScript.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as data from '@aws-sdk/client-iot-data-plane';
import { closeAll, connect, makeThing, startCloud, unique } from './cloud.mjs';

let cloud;
before(async () => { cloud = await startCloud(); });
after(async () => { await cloud.stop(); });
afterEach(closeAll);

/** A connection subscribed to everything of one shadow, and a way to ask. */
async function shadowOf(t, name = '', version = 4) {
  const prefix = `$aws/things/${t.name}/shadow${name ? `/name/${name}` : ''}`;
  const c = await connect(cloud, t, { version, clientId: unique('shadow') });
  await c.subscribe(['get/accepted', 'get/rejected', 'update/accepted', 'update/rejected', 'update/delta', 'update/documents', 'delete/accepted', 'delete/rejected'].map((s) => `${prefix}/${s}`));
  return {
    prefix, c,
    ask: async (op, body, kind = 'accepted') => { await c.publish(`${prefix}/${op}`, body); return c.json(`${prefix}/${op}/${kind}`); },
    heard: (what) => c.json(`${prefix}/update/${what}`),
    silent: (what) => c.nothing(`${prefix}/update/${what}`),
  };
}

for (const [kind, name] of [['classic', ''], ['named', 'config']]) {
  for (const version of [4, 5]) {
    test(`${kind} shadow, MQTT ${version}: get of none is 404 with its name`, async () => {
      const t = await makeThing(cloud);
      const s = await shadowOf(t, name, version);
      const no = await s.ask('get', { clientToken: 'tok' }, 'rejected');
      assert.equal(no.code, 404);
      assert.equal(no.message, `No shadow exists with name: '${name || t.name}'`);
      assert.equal(no.clientToken, 'tok');
    });
    test(`${kind} shadow, MQTT ${version}: update, delta, documents, get, delete`, async () => {
      const t = await makeThing(cloud);
      const s = await shadowOf(t, name, version);
      const before = Math.floor(Date.now() / 1000);
      const one = await s.ask('update', { state: { desired: { a: 1, b: { x: 1 } }, reported: { a: 0 } }, clientToken: 'c1' });
      assert.equal(one.version, 1);
      assert.equal(one.clientToken, 'c1');
      assert.deepEqual(one.state, { desired: { a: 1, b: { x: 1 } }, reported: { a: 0 } });
      assert.ok(one.metadata.desired.a.timestamp >= before && one.metadata.desired.b.x.timestamp >= before && one.timestamp < before + 60);
      const delta = await s.heard('delta');
      assert.deepEqual(delta.state, { a: 1, b: { x: 1 } });
      assert.equal(delta.version, 1);
      assert.ok(delta.metadata.a.timestamp >= before);
      const docs = await s.heard('documents');
      assert.deepEqual(docs.current.state, { desired: { a: 1, b: { x: 1 } }, reported: { a: 0 } });
      assert.equal(docs.current.version, 1);
      assert.ok(docs.timestamp);

      const two = await s.ask('update', { state: { reported: { a: 1, b: { x: 1 } } } });
      assert.deepEqual(Object.keys(two.state), ['reported']);
      assert.equal(two.version, 2);
      await s.silent('delta');
      assert.equal((await s.heard('documents')).previous.version, 1);

      const got = await s.ask('get', '');
      assert.deepEqual(got.state, { desired: { a: 1, b: { x: 1 } }, reported: { a: 1, b: { x: 1 } } });
      assert.equal(got.version, 2);

      const gone = await s.ask('delete', '');
      assert.equal(gone.version, 2);
      assert.equal((await s.ask('get', '', 'rejected')).code, 404);
      assert.equal((await s.ask('update', { state: { desired: { a: 1 } } })).version, 3, 'a shadow made again continues its version');
    });
  }
}

describe('merging', () => {
  test('null deletes a key, a null section deletes the section, arrays are replaced whole', async () => {
    const s = await shadowOf(await makeThing(cloud));
    await s.ask('update', { state: { desired: { a: { x: 1, y: 2 }, list: [1, 2, 3], gone: 1 }, reported: { r: 1 } } });
    await s.ask('update', { state: { desired: { a: { y: null, z: 3 }, list: [9], gone: null } } });
    assert.deepEqual((await s.ask('get', '')).state.desired, { a: { x: 1, z: 3 }, list: [9] });
    await s.ask('update', { state: { reported: null } });
    const got = await s.ask('get', '');
    assert.equal(got.state.reported, undefined);
    assert.equal(got.metadata.reported, undefined);
  });
  test('get tells the delta; keys only in reported are not in it', async () => {
    const s = await shadowOf(await makeThing(cloud));
    await s.ask('update', { state: { desired: { a: 1, same: 5 }, reported: { a: 2, same: 5, own: 7 } } });
    assert.deepEqual((await s.ask('get', '')).state.delta, { a: 1 });
  });
  test('untouched leaves keep their stamps', async () => {
    const s = await shadowOf(await makeThing(cloud));
    const one = await s.ask('update', { state: { reported: { old: 1 } } });
    await sleep(1100);
    await s.ask('update', { state: { reported: { fresh: 1 } } });
    const m = (await s.ask('get', '')).metadata.reported;
    assert.equal(m.old.timestamp, one.metadata.reported.old.timestamp);
    assert.ok(m.fresh.timestamp > m.old.timestamp);
  });
  test('a delta is sent again after any update while the difference remains', async () => {
    const s = await shadowOf(await makeThing(cloud));
    await s.ask('update', { state: { desired: { a: 1 } } });
    await s.heard('delta');
    await s.ask('update', { state: { reported: { other: 1 } } });
    assert.deepEqual((await s.heard('delta')).state, { a: 1 });
  });
});

test('a request is a message, too; a will on a shadow topic is nothing else', async () => {
  const t = await makeThing(cloud);
  const s = await shadowOf(t);
  await s.c.subscribe(`${s.prefix}/update`);
  await s.ask('update', { state: { reported: { online: true } } });
  assert.deepEqual(await s.c.json(`${s.prefix}/update`), { state: { reported: { online: true } } });
  const payload = JSON.stringify({ state: { reported: { online: false } } });
  const dying = await connect(cloud, t, { will: { topic: `${s.prefix}/update`, payload, qos: 1 } });
  dying.drop();
  assert.equal((await s.c.next(`${s.prefix}/update`)).payload, payload);
  assert.deepEqual((await s.ask('get', '')).state.reported, { online: true });
});
test('more than 20 requests a second for one thing: 429', async () => {
  const s = await shadowOf(await makeThing(cloud));
  await s.ask('update', { state: { desired: { a: 1 } } });
  for (let i = 0; i < 60; i++) s.c.publish(`${s.prefix}/get`, '', { qos: 0 });
  assert.equal((await s.c.json(`${s.prefix}/get/rejected`)).code, 429);
});
test('numbers keep every digit', async () => {
  const s = await shadowOf(await makeThing(cloud));
  await s.c.publish(`${s.prefix}/update`, '{"state":{"desired":{"big":9007199254740993}}}');
  assert.match((await s.c.next(`${s.prefix}/update/accepted`)).payload, /9007199254740993/);
});

describe('refusals', () => {
  const long = 'x'.repeat(65);
  let deep = 1;
  for (let i = 0; i < 12; i++) deep = { d: deep };
  for (const [what, body, code] of [
    ['no JSON', '{', 400],
    ['no state', { desired: {} }, 400],
    ['state is no object', { state: 5 }, 400],
    ['a section is no object', { state: { desired: 5 } }, 400],
    ['an unknown section', { state: { wanted: {} } }, 400],
    ['the version is no number', { state: { desired: {} }, version: 'x' }, 400],
    ['a client token of 65 bytes', { state: { desired: {} }, clientToken: long }, 400],
    ['nesting', { state: { desired: deep } }, 400],
    ['null in an array', { state: { desired: { a: [1, null] } } }, 400],
    ['another version', { state: { desired: { a: 1 } }, version: 77 }, 409],
    ['more than 8 KB', { state: { desired: { a: 'x'.repeat(8200) } } }, 413],
  ]) {
    test(`${what}: ${code}`, async () => {
      const s = await shadowOf(await makeThing(cloud));
      await s.ask('update', { state: { reported: { here: 1 } } });
      const no = await s.ask('update', body, 'rejected');
      assert.equal(no.code, code);
      assert.equal(typeof no.message, 'string');
      assert.equal((await s.ask('get', '')).version, 1, 'nothing changed');
    });
  }
  test('the right version passes, and 413 tells sizes', async () => {
    const s = await shadowOf(await makeThing(cloud));
    await s.ask('update', { state: { desired: { a: 1 } } });
    assert.equal((await s.ask('update', { state: { desired: { a: 2 } }, version: 1 })).version, 2);
    const no = await s.ask('update', { state: { desired: { a: 'x'.repeat(9000) } } }, 'rejected');
    assert.match(no.message, /Json document too large\. Size is \d+, max allowed: 8192/);
  });
});

describe('HTTPS data plane', () => {
  const text = (r) => JSON.parse(Buffer.from(r.payload).toString());
  test('update, get, list named, delete, and devices hear it', async () => {
    const t = await makeThing(cloud);
    const s = await shadowOf(t, 'config');
    const up = text(await cloud.data.send(new data.UpdateThingShadowCommand({ thingName: t.name, shadowName: 'config', payload: JSON.stringify({ state: { desired: { a: 1 } } }) })));
    assert.equal(up.version, 1);
    assert.deepEqual((await s.heard('delta')).state, { a: 1 });
    assert.deepEqual(text(await cloud.data.send(new data.GetThingShadowCommand({ thingName: t.name, shadowName: 'config' }))).state.desired, { a: 1 });
    await cloud.data.send(new data.UpdateThingShadowCommand({ thingName: t.name, payload: JSON.stringify({ state: { reported: { c: 1 } } }) }));
    const list = await cloud.data.send(new data.ListNamedShadowsForThingCommand({ thingName: t.name }));
    assert.deepEqual(list.results, ['config']);
    await cloud.data.send(new data.DeleteThingShadowCommand({ thingName: t.name, shadowName: 'config' }));
    await assert.rejects(cloud.data.send(new data.GetThingShadowCommand({ thingName: t.name, shadowName: 'config' })), { name: 'ResourceNotFoundException' });
  });
  test('refusals have the SDK\'s names', async () => {
    const t = await makeThing(cloud);
    const put = (doc) => cloud.data.send(new data.UpdateThingShadowCommand({ thingName: t.name, payload: typeof doc === 'string' ? doc : JSON.stringify(doc) }));
    await assert.rejects(put('{'), { name: 'InvalidRequestException' });
    await put({ state: { desired: { a: 1 } } });
    await assert.rejects(put({ state: { desired: { a: 1 } }, version: 9 }), { name: 'ConflictException' });
    await assert.rejects(put({ state: { desired: { a: 'x'.repeat(9000) } } }), { name: 'RequestEntityTooLargeException' });
  });
  test('publish and retained messages', async () => {
    const t = await makeThing(cloud);
    const c = await connect(cloud, t);
    const topic = `from/https/${unique('r')}`;
    await c.subscribe(topic);
    await cloud.data.send(new data.PublishCommand({ topic, qos: 1, retain: true, payload: Buffer.from('hello') }));
    assert.equal((await c.next(topic)).payload, 'hello');
    const kept = await cloud.data.send(new data.GetRetainedMessageCommand({ topic }));
    assert.equal(Buffer.from(kept.payload).toString(), 'hello');
    assert.equal(kept.qos, 1);
    const list = await cloud.data.send(new data.ListRetainedMessagesCommand({}));
    const one = list.retainedTopics.find((r) => r.topic === topic);
    assert.equal(one.payloadSize, 5);
    await assert.rejects(cloud.data.send(new data.GetRetainedMessageCommand({ topic: 'no/such' })), { name: 'ResourceNotFoundException' });
  });
});

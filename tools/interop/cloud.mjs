// A fountain-cloud of the tests' own, and the stock clients that drive it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as iot from '@aws-sdk/client-iot';
import { IoTDataPlaneClient } from '@aws-sdk/client-iot-data-plane';
import { IoTJobsDataPlaneClient } from '@aws-sdk/client-iot-jobs-data-plane';
import mqtt from 'mqtt';

export const region = 'us-east-1';
export const account = '123456789012';
export const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
export const arn = (rest) => `arn:aws:iot:${region}:${account}:${rest}`;

// patience is how long an answer may take on a busy machine; silence how long nothing may come before we believe it.
export const patience = 10_000;
export const silence = 700;

const binary = process.env.FOUNTAIN_CLOUD ?? path.resolve(import.meta.dirname, '../../bin/fountain-cloud');

/** Starts a cloud in a directory of its own; stop() ends it. */
export async function startCloud(...args) {
  const dir = mkdtempSync(path.join(tmpdir(), 'fountain-interop-'));
  const child = spawn(binary, ['serve', '--dir', dir, '--mqtt', '127.0.0.1:0', '--http', '127.0.0.1:0', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = () => child.kill('SIGKILL'); // a test that is given up must leave no cloud behind
  process.once('exit', kill);
  let log = '';
  child.stderr.on('data', (b) => { log += b; });
  const file = path.join(dir, 'endpoints.json');
  for (let i = 0; !existsSync(file); i++) {
    if (child.exitCode !== null || i > 200) throw new Error(`fountain-cloud did not start:\n${log}`);
    await sleep(50);
  }
  const ep = JSON.parse(readFileSync(file, 'utf8'));
  const ca = readFileSync(ep.ca, 'utf8');
  const aws = { region, credentials, maxAttempts: 1 };
  const cloud = {
    dir, ep, ca, host: ep.mqtt.split(':')[0], port: Number(ep.mqtt.split(':')[1]),
    iot: new iot.IoTClient({ ...aws, endpoint: ep.control }),
    data: new IoTDataPlaneClient({ ...aws, endpoint: ep.control }),
    jobs: new IoTJobsDataPlaneClient({ ...aws, endpoint: ep.control }),
    claim: { cert: readFileSync(ep.claim_cert, 'utf8'), key: readFileSync(ep.claim_key, 'utf8') },
    log: () => log,
    async stop() {
      const ended = once(child, 'exit');
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await ended;
      }
      process.removeListener('exit', kill);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return cloud;
}

let serial = 0;
export const unique = (prefix) => `${prefix}-${process.pid}-${++serial}`;

export const policyOf = (...statements) => JSON.stringify({ Version: '2012-10-17', Statement: statements });
export const allow = (action, ...resources) => ({ Effect: 'Allow', Action: action, Resource: resources.map((r) => (r === '*' ? r : arn(r))) });
export const everything = policyOf({ Effect: 'Allow', Action: 'iot:*', Resource: '*' });

/** A thing with an active certificate and a policy, made through the control plane. */
export async function makeThing(cloud, { name = unique('thing'), policy = everything } = {}) {
  await cloud.iot.send(new iot.CreateThingCommand({ thingName: name }));
  const keys = await cloud.iot.send(new iot.CreateKeysAndCertificateCommand({ setAsActive: true }));
  const policyName = unique('policy');
  await cloud.iot.send(new iot.CreatePolicyCommand({ policyName, policyDocument: policy }));
  await cloud.iot.send(new iot.AttachPolicyCommand({ policyName, target: keys.certificateArn }));
  await cloud.iot.send(new iot.AttachThingPrincipalCommand({ thingName: name, principal: keys.certificateArn }));
  return { name, policyName, certificateId: keys.certificateId, certificateArn: keys.certificateArn, cert: keys.certificatePem, key: keys.keyPair.PrivateKey };
}

/** One mqtt.js connection, its messages in order, and how it ended. It never reconnects. */
export class Client {
  constructor(raw) {
    this.raw = raw;
    this.inbox = [];
    this.waiting = [];
    this.closed = new Promise((resolve) => raw.once('close', resolve));
    raw.on('error', (e) => { this.error = e; });
    raw.on('disconnect', (p) => { this.disconnect = p; });
    raw.on('message', (topic, payload, packet) => {
      const m = { topic, payload: payload.toString(), packet };
      const i = this.waiting.findIndex((w) => w.match(m));
      if (i >= 0) this.waiting.splice(i, 1)[0].resolve(m);
      else this.inbox.push(m);
    });
  }

  /** next returns the next message of a topic (or predicate), or fails after patience. */
  next(want, ms = patience) {
    const match = typeof want === 'function' ? want : (m) => m.topic === want;
    const i = this.inbox.findIndex(match);
    if (i >= 0) return Promise.resolve(this.inbox.splice(i, 1)[0]);
    return new Promise((resolve, reject) => {
      const w = { match, resolve: (m) => { clearTimeout(timer); resolve(m); } };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(w), 1);
        reject(new Error(`no message for ${want} within ${ms} ms; others: ${this.inbox.map((m) => m.topic)}`));
      }, ms);
      this.waiting.push(w);
    });
  }

  async json(want) { return JSON.parse((await this.next(want)).payload); }

  /** nothing fails when a message of the topic comes. */
  async nothing(want) {
    const m = await this.next(want, silence).catch(() => null);
    if (m) throw new Error(`unexpected ${m.topic}: ${m.payload}`);
  }

  subscribe(filters, opts = { qos: 1 }) {
    return new Promise((resolve, reject) => this.raw.subscribe(filters, opts, (e, granted, packet) => (e ? reject(Object.assign(e, { packet })) : resolve(granted))));
  }

  publish(topic, body = '', opts = { qos: 1 }) {
    const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => this.raw.publish(topic, payload, opts, (e, packet) => (e ? reject(e) : resolve(packet))));
  }

  /** ends is true when the other side closes within patience. */
  async ends(ms = patience) {
    return Promise.race([this.closed.then(() => true), sleep(ms, false, { ref: false })]);
  }

  async open() { return !(await this.ends(silence)); }

  end() { return new Promise((resolve) => this.raw.end(false, resolve)); }

  /** drop cuts the line without a DISCONNECT. */
  drop() { this.raw.stream.destroy(); return this.closed; }
}

const live = new Set();

/** Connects with mqtt.js; rejects when the cloud refuses. */
export function connect(cloud, who, { clientId = who.name, version = 4, ...more } = {}) {
  const raw = mqtt.connect({
    protocol: 'mqtts', host: cloud.host, port: cloud.port, servername: cloud.host, ca: cloud.ca, cert: who.cert, key: who.key,
    ALPNProtocols: ['x-amzn-mqtt-ca'], protocolVersion: version, clientId, clean: true, reconnectPeriod: 0, connectTimeout: patience, keepalive: 60, ...more,
  });
  live.add(raw);
  const client = new Client(raw);
  return new Promise((resolve, reject) => {
    raw.once('connect', (connack) => { client.connack = connack; resolve(client); });
    raw.once('error', reject);
    raw.once('close', () => reject(client.error ?? new Error('closed instead of CONNACK')));
  });
}

/** closeAll ends every connection, so that a failed test leaves none. */
export function closeAll() {
  for (const raw of live) raw.end(true);
  live.clear();
}

/** eventually waits until f returns something true. */
export async function eventually(f, ms = patience) {
  for (const end = Date.now() + ms; ; await sleep(50)) {
    const v = await f();
    if (v || Date.now() > end) return v;
  }
}

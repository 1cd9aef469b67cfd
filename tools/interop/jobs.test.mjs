// AWS IoT Jobs: made through the control plane, run by a device over MQTT and HTTPS.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import * as iot from '@aws-sdk/client-iot';
import * as plane from '@aws-sdk/client-iot-jobs-data-plane';
import { account, arn, closeAll, connect, eventually, makeThing, region, startCloud, unique } from './cloud.mjs';

let cloud;
before(async () => { cloud = await startCloud(); });
after(async () => { await cloud.stop(); });
afterEach(closeAll);

const create = (things, more = {}) => cloud.iot.send(new iot.CreateJobCommand({
  jobId: unique('job'), targets: [].concat(things).map((t) => arn(`thing/${t.name}`)), document: JSON.stringify({ operation: 'selftest' }), targetSelection: 'SNAPSHOT', ...more,
}));

/** A device that listens to its jobs. */
async function device(t, version = 4) {
  const b = `$aws/things/${t.name}/jobs`;
  const c = await connect(cloud, t, { version });
  await c.subscribe([`${b}/notify`, `${b}/notify-next`, `${b}/get/+`, `${b}/start-next/+`, `${b}/+/get/+`, `${b}/+/update/+`]);
  return { c, b, ask: async (path, body = {}, kind = 'accepted') => { await c.publish(`${b}/${path}`, body); return c.json(`${b}/${path}/${kind}`); } };
}

for (const version of [4, 5]) {
  test(`MQTT ${version}: notify, notify-next, start-next, update to SUCCEEDED`, async () => {
    const t = await makeThing(cloud);
    const d = await device(t, version);
    const { jobId } = await create(t);
    const notify = await d.c.json(`${d.b}/notify`);
    assert.equal(notify.jobs.QUEUED[0].jobId, jobId);
    const next = await d.c.json(`${d.b}/notify-next`);
    assert.equal(next.execution.jobId, jobId);
    assert.equal(next.execution.status, 'QUEUED');
    assert.deepEqual(next.execution.jobDocument, { operation: 'selftest' });
    assert.ok(next.timestamp < 1e11, 'seconds');
    const started = (await d.ask('start-next', { statusDetails: { step: 'one' }, clientToken: 'k' }));
    assert.equal(started.clientToken, 'k');
    assert.equal(started.execution.status, 'IN_PROGRESS');
    assert.equal(started.execution.executionNumber, 1);
    assert.deepEqual(started.execution.statusDetails, { step: 'one' });
    const v = started.execution.versionNumber;
    const up = await d.ask(`${jobId}/update`, { status: 'SUCCEEDED', expectedVersion: v, includeJobExecutionState: true });
    assert.equal(up.executionState.status, 'SUCCEEDED');
    assert.equal(up.executionState.versionNumber, v + 1);
    assert.deepEqual((await d.c.json((m) => m.topic === `${d.b}/notify` && JSON.stringify(JSON.parse(m.payload).jobs) === '{}')).jobs, {});
    const job = await eventually(async () => {
      const { job } = await cloud.iot.send(new iot.DescribeJobCommand({ jobId }));
      return job.status === 'COMPLETED' && job;
    });
    assert.equal(job.jobProcessDetails.numberOfSucceededThings, 1);
  });
}

describe('device requests', () => {
  test('start-next with nothing to do answers without an execution; get lists none', async () => {
    const d = await device(await makeThing(cloud));
    const none = await d.ask('start-next');
    assert.equal(none.execution, undefined);
    assert.ok(none.timestamp);
    const list = await d.ask('get');
    assert.deepEqual([list.inProgressJobs, list.queuedJobs], [[], []]);
  });
  test('describe by id and $next, with and without the document', async () => {
    const t = await makeThing(cloud);
    const d = await device(t);
    const { jobId } = await create(t);
    const e = (await d.ask(`${jobId}/get`)).execution;
    assert.equal(e.jobId, jobId);
    assert.equal(e.thingName, t.name);
    assert.equal(e.versionNumber, 1);
    assert.deepEqual(e.jobDocument, { operation: 'selftest' });
    await d.c.publish(`${d.b}/$next/get`, { includeJobDocument: false });
    const next = await d.c.json((m) => m.topic === `${d.b}/$next/get/accepted`);
    assert.equal(next.execution.jobId, jobId);
    assert.equal(next.execution.jobDocument, undefined);
    assert.equal((await d.ask(`${unique('none')}/get`, {}, 'rejected')).code, 'ResourceNotFound');
  });
  test('two jobs come in the order they were queued; start-next gives a running one again', async () => {
    const t = await makeThing(cloud);
    const d = await device(t);
    const a = await create(t);
    const b = await create(t);
    const list = await d.ask('get');
    assert.deepEqual(list.queuedJobs.map((j) => j.jobId), [a.jobId, b.jobId]);
    assert.equal((await d.ask('start-next')).execution.jobId, a.jobId);
    const again = (await d.ask('start-next', { statusDetails: { other: 'x' } })).execution;
    assert.equal(again.jobId, a.jobId);
    assert.notDeepEqual(again.statusDetails, { other: 'x' });
    await d.ask(`${a.jobId}/update`, { status: 'FAILED' });
    assert.equal((await d.c.json((m) => m.topic === `${d.b}/notify-next` && JSON.parse(m.payload).execution?.jobId === b.jobId)).execution.jobId, b.jobId);
  });
  for (const [what, body, code, state] of [
    ['another expected version', { status: 'IN_PROGRESS', expectedVersion: 9 }, 'VersionMismatch', true],
    ['a state only the service sets', { status: 'TIMED_OUT' }, 'InvalidRequest'],
    ['an unknown state', { status: 'DONE' }, 'InvalidRequest'],
    ['no JSON', '{', 'InvalidJson'],
    ['eleven details', { status: 'IN_PROGRESS', statusDetails: Object.fromEntries([...Array(11)].map((_, i) => [`k${i}`, 'v'])) }, 'InvalidRequest'],
  ]) {
    test(`update with ${what}: ${code}`, async () => {
      const t = await makeThing(cloud);
      const d = await device(t);
      const { jobId } = await create(t);
      const no = await d.ask(`${jobId}/update`, body, 'rejected');
      assert.equal(no.code, code);
      assert.equal(typeof no.message, 'string');
      if (state) assert.equal(no.executionState.versionNumber, 1);
    });
  }
  test('FAILED is tried again as another execution, as often as the job says', async () => {
    const t = await makeThing(cloud);
    const d = await device(t);
    const { jobId } = await create(t, { jobExecutionsRetryConfig: { criteriaList: [{ failureType: 'FAILED', numberOfRetries: 1 }] } });
    for (const n of [1, 2]) {
      const { execution } = await eventually(async () => { const a = await d.ask('start-next'); return a.execution && a; });
      assert.deepEqual([execution.jobId, execution.executionNumber], [jobId, n]);
      await d.ask(`${jobId}/update`, { status: 'FAILED' });
    }
    assert.equal((await d.ask('start-next')).execution, undefined);
  });
  test('ten pending jobs are listed, the rest is hidden', async () => {
    const t = await makeThing(cloud);
    const d = await device(t);
    for (let i = 0; i < 11; i++) await create(t);
    assert.equal((await d.ask('get')).queuedJobs.length, 10);
  });
  test('a terminal state never changes', async () => {
    const t = await makeThing(cloud);
    const d = await device(t);
    const { jobId } = await create(t);
    await d.ask(`${jobId}/update`, { status: 'REJECTED' });
    assert.equal((await d.ask(`${jobId}/update`, { status: 'IN_PROGRESS' }, 'rejected')).code, 'InvalidStateTransition');
  });
  test('answers come to the asker even unsubscribed, and to nobody else', async () => {
    const t = await makeThing(cloud);
    await create(t);
    const b = `$aws/things/${t.name}/jobs`;
    const quiet = await connect(cloud, t);
    const spy = await connect(cloud, t, { clientId: unique('spy') });
    await spy.subscribe(`${b}/#`);
    await quiet.publish(`${b}/get`, {});
    assert.equal((await quiet.json(`${b}/get/accepted`)).queuedJobs.length, 1);
    await spy.nothing(`${b}/get/accepted`);
  });
  test('a presigned placeholder becomes an address for the device only', async () => {
    const t = await makeThing(cloud);
    const d = await device(t);
    const { jobId } = await create(t, {
      document: JSON.stringify({ file: `\${aws:iot:s3-presigned-url:https://s3.${region}.amazonaws.com/bucket/key.bin}` }),
      presignedUrlConfig: { roleArn: `arn:aws:iam::${account}:role/s3`, expiresInSec: 120 },
    });
    const { file } = (await d.ask(`${jobId}/get`)).execution.jobDocument;
    assert.match(file, /^https:\/\/.*key\.bin\?.*X-Amz-Expires=120/);
    const { document } = await cloud.iot.send(new iot.GetJobDocumentCommand({ jobId }));
    assert.match(document, /\$\{aws:iot:s3-presigned-url/);
  });
});

describe('control', () => {
  test('the stack\'s templates keep their slow beginning and their retries', async () => {
    const t = await makeThing(cloud);
    const jobId = unique('job');
    await cloud.iot.send(new iot.CreateJobCommand({ jobId, targets: [arn(`thing/${t.name}`)], jobTemplateArn: arn('jobtemplate/fountain-selftest') }));
    const { job } = await cloud.iot.send(new iot.DescribeJobCommand({ jobId }));
    assert.equal(job.jobExecutionsRolloutConfig.exponentialRate.baseRatePerMinute, 10);
    assert.deepEqual(job.jobExecutionsRetryConfig.criteriaList, [{ failureType: 'TIMED_OUT', numberOfRetries: 2 }]);
  });
  test('failures beyond the abort criteria cancel the rest', async () => {
    const things = [await makeThing(cloud), await makeThing(cloud), await makeThing(cloud)];
    const { jobId } = await create(things, { abortConfig: { criteriaList: [{ failureType: 'REJECTED', action: 'CANCEL', thresholdPercentage: 50, minNumberOfExecutedThings: 2 }] } });
    for (const t of things.slice(0, 2)) await cloud.jobs.send(new plane.UpdateJobExecutionCommand({ thingName: t.name, jobId, status: 'REJECTED' }));
    assert.ok(await eventually(async () => (await cloud.iot.send(new iot.DescribeJobCommand({ jobId }))).job.status === 'CANCELED'));
    assert.equal((await cloud.iot.send(new iot.DescribeJobExecutionCommand({ jobId, thingName: things[2].name }))).execution.status, 'CANCELED');
  });
  test('cancel tells the device; a running one needs force', async () => {
    const t = await makeThing(cloud);
    const d = await device(t);
    const { jobId } = await create(t);
    await d.ask('start-next');
    await assert.rejects(cloud.iot.send(new iot.CancelJobExecutionCommand({ jobId, thingName: t.name })), { name: 'InvalidStateTransitionException' });
    await cloud.iot.send(new iot.CancelJobCommand({ jobId, force: true, reasonCode: 'TEST' }));
    const { execution } = await cloud.iot.send(new iot.DescribeJobExecutionCommand({ jobId, thingName: t.name }));
    assert.equal(execution.status, 'CANCELED');
  });
  test('executions are listed by job and by thing', async () => {
    const t = await makeThing(cloud);
    const { jobId } = await create(t);
    const byJob = await cloud.iot.send(new iot.ListJobExecutionsForJobCommand({ jobId }));
    assert.equal(byJob.executionSummaries[0].thingArn, arn(`thing/${t.name}`));
    const byThing = await cloud.iot.send(new iot.ListJobExecutionsForThingCommand({ thingName: t.name }));
    assert.equal(byThing.executionSummaries[0].jobId, jobId);
  });
  test('a job cannot be made twice, nor deleted while it runs without force', async () => {
    const t = await makeThing(cloud);
    const { jobId } = await create(t);
    await assert.rejects(create(t, { jobId, document: '{"other":1}' }), { name: 'ResourceAlreadyExistsException' });
    await assert.rejects(cloud.iot.send(new iot.DeleteJobCommand({ jobId })), { name: 'InvalidStateTransitionException' });
    await cloud.iot.send(new iot.DeleteJobCommand({ jobId, force: true }));
    assert.ok(await eventually(() => cloud.iot.send(new iot.DescribeJobCommand({ jobId })).then(() => false, (e) => e.name === 'ResourceNotFoundException')));
  });
  for (const [what, more] of [
    ['a rate of 1,001 a minute', { jobExecutionsRolloutConfig: { maximumPerMinute: 1001 } }],
    ['a base rate of 100,000', { jobExecutionsRolloutConfig: { exponentialRate: { baseRatePerMinute: 100000, incrementFactor: 2, rateIncreaseCriteria: { numberOfNotifiedThings: 1 } } } }],
    ['a timeout of 8 days', { timeoutConfig: { inProgressTimeoutInMinutes: 8 * 24 * 60 } }],
    ['an address that lives 59 s', { presignedUrlConfig: { roleArn: `arn:aws:iam::${account}:role/s3`, expiresInSec: 59 } }],
    ['a document that is no JSON', { document: '{' }],
    ['a document of 33 KB', { document: JSON.stringify({ x: 'x'.repeat(33 * 1024) }) }],
  ]) {
    test(`refused: ${what}`, async () => {
      const t = await makeThing(cloud);
      await assert.rejects(create(t, more), (e) => ['InvalidRequestException', 'LimitExceededException'].includes(e.name) || assert.fail(e.name));
    });
  }
  test('a thing group as target reaches its members, and those who join a continuous job', async () => {
    const [a, b] = [await makeThing(cloud), await makeThing(cloud)];
    const thingGroupName = unique('group');
    const { thingGroupArn } = await cloud.iot.send(new iot.CreateThingGroupCommand({ thingGroupName }));
    await cloud.iot.send(new iot.AddThingToThingGroupCommand({ thingGroupName, thingName: a.name }));
    const jobId = unique('job');
    await cloud.iot.send(new iot.CreateJobCommand({ jobId, targets: [thingGroupArn], document: '{}', targetSelection: 'CONTINUOUS' }));
    const has = (t) => eventually(async () => (await cloud.jobs.send(new plane.GetPendingJobExecutionsCommand({ thingName: t.name }))).queuedJobs.some((j) => j.jobId === jobId));
    assert.ok(await has(a));
    await cloud.iot.send(new iot.AddThingToThingGroupCommand({ thingGroupName, thingName: b.name }));
    assert.ok(await has(b));
  });
  test('jobs data plane over HTTPS: pending, start, describe, update', async () => {
    const t = await makeThing(cloud);
    const { jobId } = await create(t);
    const pending = await cloud.jobs.send(new plane.GetPendingJobExecutionsCommand({ thingName: t.name }));
    assert.equal(pending.queuedJobs[0].jobId, jobId);
    const { execution } = await cloud.jobs.send(new plane.StartNextPendingJobExecutionCommand({ thingName: t.name }));
    assert.equal(execution.status, 'IN_PROGRESS');
    assert.equal(typeof execution.jobDocument, 'string');
    const d = await cloud.jobs.send(new plane.DescribeJobExecutionCommand({ thingName: t.name, jobId }));
    assert.equal(d.execution.versionNumber, execution.versionNumber);
    const up = await cloud.jobs.send(new plane.UpdateJobExecutionCommand({ thingName: t.name, jobId, status: 'SUCCEEDED', includeJobExecutionState: true }));
    assert.equal(up.executionState.status, 'SUCCEEDED');
  });
});

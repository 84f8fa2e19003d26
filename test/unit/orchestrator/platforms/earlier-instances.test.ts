import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { StartedInstance } from '../../../../orchestrator/model/instance.ts';
import { findGone } from '../../../../orchestrator/platforms/process/earlier-instances.ts';
import {
  identify,
  readProcessSpace,
} from '../../../../orchestrator/platforms/process/process-identity.ts';
import { assert } from '../../../../replica/common/assert.ts';

let child: ChildProcess;
beforeEach(() => {
  child = spawn('sleep', ['600'], { stdio: 'ignore' });
});
afterEach(() => child.kill('SIGKILL'));

function instanceOf({ pid }: { readonly pid?: number | undefined }): StartedInstance {
  const space = readProcessSpace();
  assert(pid !== undefined && space !== undefined, 'the test runs on a Linux with its own /proc');
  const identity = identify(pid, space);
  assert(identity !== undefined, 'a child shows when it began', { pid });
  return { volume: 'default/demo', instanceId: `i${pid}`, process: identity };
}

test('a process that lives is waited for, and known to be gone when it ends', async () => {
  const instance = instanceOf(child);
  const gone = findGone([instance], 60_000); // has looked once when it returns
  child.kill('SIGKILL');
  expect(await gone).toEqual([instance]);
});

test('a process that outlives the wait does not count as gone, whatever became of others', async () => {
  const ended = spawn('true', { stdio: 'ignore' });
  const endedInstance = instanceOf(ended);
  await once(ended, 'exit');
  expect(await findGone([instanceOf(child), endedInstance], 0)).toEqual([endedInstance]);
});

test('a process that has the pid of an earlier one is not waited for', async () => {
  const instance = instanceOf(child);
  const { startTicks } = instance.process;
  const earlier = { ...instance, process: { ...instance.process, startTicks: startTicks - 1 } };
  expect(await findGone([earlier], 60_000)).toEqual([earlier]);
});

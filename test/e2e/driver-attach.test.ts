import { run } from '../support/child.ts';
import { NODE } from '../support/keelson.ts';

test('S34 N9 the volume driver attaches volumes by open-iscsi, on a real kernel', async () => {
  const { code, stdout, stderr } = await run(NODE, ['test/e2e/driver/run.ts'], {
    timeoutMs: 540_000,
  });
  if (code !== 0) throw new Error(`expected exit code 0, got ${code}\n${stdout}${stderr}`);
  expect(stdout.trim().split('\n').sort()).toEqual([
    'ok: a driver that is killed after a command goes on where the host stands',
    'ok: a mount outlives its controller, grows, and stays while it is used',
    'ok: another host keeps its volume, loses it when it is gone, and writes no more',
    'ok: data that is no file system is refused and left as it is',
    'ok: docker run writes to a volume with CHAP, and others read it',
  ]);
});

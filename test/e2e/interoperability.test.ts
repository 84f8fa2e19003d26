import { run } from '../support/child.ts';
import { NODE } from '../support/keelson.ts';

test('S44 a Linux initiator has its digests, CHAP, reservations, discards and file systems', async () => {
  const words = ['test/e2e/initiator/run.ts', '--interoperability'];
  const { code, stdout, stderr } = await run(NODE, words, { timeoutMs: 240_000 });
  if (code !== 0) throw new Error(`expected exit code 0, got ${code}\n${stdout}${stderr}`);
  expect(stdout.trim().split('\n')).toEqual([
    'ok: header and data digests protect an ext4 that is written and read',
    'ok: XFS is made, written, trimmed and found clean',
    'ok: blkdiscard gives space back, and GET LBA STATUS tells',
    'ok: two initiators share a persistent reservation and shut out one',
    'ok: CHAP and mutual CHAP let in who knows the secrets',
  ]);
});

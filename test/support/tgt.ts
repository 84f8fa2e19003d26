import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, exitOf, runOk } from './child.ts';

export interface Tgt {
  readonly url: string;
  readonly targetName: string;
  readonly pid: number;
  /** SIGKILL: with active targets tgtd refuses every gentler signal. The data stays. */
  kill(): Promise<void>;
  /** Starts it again on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** The unreplicated peer: one tgtd with one sparse file as LUN 1. */
export async function startTgt(options: { portal: string; sizeBytes: number }): Promise<Tgt> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-tgt-'));
  const file = join(directory, 'data');
  writeFileSync(file, '');
  truncateSync(file, options.sizeBytes);
  const targetName = 'iqn.2026-11.io.keelson:peer.tgt';
  // One control socket per instance; a running tgtd of someone else must not be disturbed.
  const control = ['-C', String((process.pid % 20_000) + 1_000)];
  const start = async () => {
    const child = spawn('tgtd', ['-f', '--iscsi', `portal=${options.portal}`, ...control], {
      stdio: 'ignore',
    });
    const tgtadm = (...args: string[]) => runOk('tgtadm', [...control, '--lld', 'iscsi', ...args]);
    await eventually('tgtd answers', () => tgtadm('--op', 'show', '--mode', 'target'));
    const target = ['--mode', 'target', '--tid', '1'];
    await tgtadm('--op', 'new', ...target, '-T', targetName);
    const unit = ['--mode', 'logicalunit', '--tid', '1', '--lun', '1', '-b', file];
    await tgtadm('--op', 'new', ...unit);
    await tgtadm('--op', 'bind', ...target, '-I', 'ALL');
    return child;
  };
  let child = await start();
  const kill = async () => {
    child.kill('SIGKILL');
    await exitOf(child);
  };
  return {
    url: `iscsi://${options.portal}/${targetName}/1`,
    targetName,
    get pid() {
      return child.pid ?? 0;
    },
    kill,
    restart: async () => {
      child = await start();
    },
    stop: async () => {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

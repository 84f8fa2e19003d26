import { resolve } from 'node:path';
import { NODE } from '../../support/keelson.ts';
import { containerOf } from '../support/installation.ts';
import type { Scenario, Stage } from './scenario.ts';

const AWAY_MS = 10_000;
const API_AWAY_MS = 60_000;
const ADMIN_LOOK_MS = 1_000;

interface Probe {
  readonly login: string;
  readonly read: string;
  readonly write: string;
}

/** Nodes that are cut off, and losses of what decides. */
export const NODE_SCENARIOS: readonly Scenario[] = [
  {
    name: 'partition-controller',
    title: 'B1 the node of the controller is cut off: it neither reads nor writes there any more',
    target: '< 15 s',
    async run(stage) {
      const before = await stage.generation();
      const { spec, status } = await stage.controller();
      const { nodeName: node = '' } = spec;
      await stage.act(() => stage.machines.partition(node));
      await stage.controllerLeaves(node);
      await stage.volume.whenBusy();
      // It may be killed by its kubelet, which acts by itself, or have ended: then nobody answers.
      const probe = await probeOn(stage, node, status.podIP ?? '');
      expect(probe.read).not.toBe('good');
      expect(probe.write).not.toBe('good');
      process.stdout.write(`the controller that was cut off: ${JSON.stringify(probe)}\n`);
      await stage.volume.whenBusy();
      await stage.act(() => stage.machines.heal(node));
      await stage.recovers(before);
    },
  },
  {
    name: 'partition-replica',
    title: 'the node of a replica is cut off for a while: the others serve, and it comes back',
    target: '< 4 s',
    async run(stage) {
      const before = await stage.generation();
      const node = await stage.otherNode();
      await stage.act(() => stage.machines.partition(node));
      await stage.degraded();
      await stage.lasts(AWAY_MS);
      await stage.volume.whenBusy();
      await stage.act(() => stage.machines.heal(node));
      await stage.recovers(before);
    },
  },
  {
    name: 'kill-leader-and-node',
    title: 'the orchestrator that leads is killed together with the node of a replica',
    target: '< 4 s',
    async run(stage) {
      const before = await stage.generation();
      const leader = await stage.installation.leader();
      const node = await stage.otherNode();
      await stage.act(() =>
        Promise.all([
          // On that node it goes with it.
          leader.spec.nodeName === node ? undefined : stage.killContainer(leader),
          stage.machines.kill(node),
        ]),
      );
      await stage.volume.whenBusy();
      await stage.timed('degradedMs', () => stage.degraded());
      await stage.act(() => stage.machines.start(node));
      await stage.recovers(before);
    },
  },
  {
    name: 'kill-leader-node',
    title: 'the node of the orchestrator that leads is lost: the other one takes over',
    target: '< 15 s',
    async run(stage) {
      const before = await stage.generation();
      const { metadata, spec } = await stage.installation.leader();
      const { nodeName: node = '' } = spec;
      await stage.timed('leaderMs', async () => {
        await stage.act(() => stage.machines.kill(node));
        await stage.until('another pod answers', () => true);
      });
      await stage.degraded();
      await stage.volume.whenBusy();
      expect((await stage.installation.leader()).metadata.uid).not.toBe(metadata.uid);
      await stage.act(() => stage.machines.start(node));
      await stage.recovers(before);
    },
  },
  {
    name: 'api-server-away',
    title: 'the API server hangs for a minute: I/O goes on, and everything is as before after it',
    target: '< 2 s meanwhile',
    async run(stage) {
      const before = await stage.generation();
      const { metadata } = await stage.controller();
      stage.machines.freezeApiServer();
      const endsAtMs = performance.now() + API_AWAY_MS;
      try {
        while (performance.now() < endsAtMs) {
          await stage.volume.whenBusy();
          await stage.lasts(ADMIN_LOOK_MS);
        }
        stage.figures.stallMeanwhileMs = Math.round(stage.volume.longestStallMs);
      } finally {
        await stage.act(async () => stage.machines.thawApiServer());
      }
      await stage.volume.whenBusy();
      await stage.recovers(before - 1);
      const after = await stage.controller();
      stage.figures.controllerMoved = Number(after.metadata.uid !== metadata.uid);
    },
  },
  {
    name: 'kill-replica-without-api',
    title:
      'the container of a replica is killed while the API server hangs: I/O waits for the record',
    target: 'until it answers',
    async run(stage) {
      const node = await stage.otherNode();
      const replica = await stage.replica(node);
      const before = await stage.generation();
      expect(containerOf(replica)).toContain('containerd://');
      stage.machines.freezeApiServer();
      try {
        await stage.killContainer(replica);
        await stage.lasts(AWAY_MS);
      } finally {
        await stage.act(async () => stage.machines.thawApiServer());
      }
      await stage.recovers(before);
    },
  },
];

async function probeOn(stage: Stage, node: string, address: string): Promise<Probe> {
  const script = resolve('test/kubernetes', 'zombie-probe.ts');
  const { targetName } = stage.volume.view;
  const output = await stage.machines.exec(node, NODE, script, address, '3260', targetName);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Probe;
}

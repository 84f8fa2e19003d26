import type { Scenario, Stage } from './scenario.ts';

interface Absence {
  readonly name: string;
  readonly what: string;
  readonly isCore?: boolean;
  fault(stage: Stage): Promise<unknown>;
}

const ABSENCES: readonly Absence[] = [
  {
    name: 'controller',
    what: 'the controller was killed',
    fault: async (stage) => (await stage.controller()).kill(),
  },
  {
    name: 'holder',
    what: 'what holds the address of the controller was restarted',
    fault: async (stage) => (await stage.holder()).restart(),
  },
  {
    name: 'replica',
    what: 'a replica was killed',
    fault: async (stage) => {
      const [, node = ''] = await nodesOf(stage);
      return (await stage.replica(node)).kill();
    },
  },
  {
    name: 'removed-replica',
    what: 'the container of a replica was removed',
    fault: async (stage) => {
      const [, node = ''] = await nodesOf(stage);
      return (await stage.replica(node)).remove({ force: true });
    },
  },
  {
    name: 'removed-all',
    what: 'all containers of the volume were removed',
    isCore: true,
    fault: async (stage) => {
      const found = await stage.installation.containers(stage.volume.name);
      return Promise.all(found.map(({ Id }) => stage.container(Id).remove({ force: true })));
    },
  },
];

/** What happened while there was no orchestrator. */
export const RETURN_SCENARIOS: readonly Scenario[] = ABSENCES.map(
  ({ name, what, fault, ...rest }): Scenario => ({
    ...rest,
    name: `return-${name}`,
    title: `${what} while there was no orchestrator: the next one brings it back`,
    // A copy that is lost is waited for until the registry is back (I2).
    stallLimitMs: 60_000,
    async run(stage) {
      const { installation } = stage;
      const before = await stage.generation();
      await installation.killOrchestrator();
      await fault(stage);
      await stage.act(async () => {
        await stage.timed('apiMs', () => installation.start());
      });
      await stage.timed('readyAfterApiMs', () =>
        stage.until('all processes are ready', ({ controller, copies }) => {
          return (
            controller.process === 'ready' && copies.every(({ process }) => process === 'ready')
          );
        }),
      );
      await stage.recovers(before);
    },
  }),
);

/** There is nobody to ask. */
async function nodesOf({ installation, volume }: Stage): Promise<string[]> {
  const found = await installation.containers(volume.name);
  const replicas = found.filter(({ Labels }) => Labels['io.keelson.role'] === 'replica');
  return replicas.map(({ Labels }) => Labels['io.keelson.node'] ?? '');
}

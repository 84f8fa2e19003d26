import { LABELS } from '../../../orchestrator/platforms/docker/container-labels.ts';
import { MARKER_NAME } from '../../../replica/common/node-directory.ts';
import type { Dockerd } from '../../support/dockerd.ts';

/** Everything that volumes leave on an engine: containers, networks, and files of the nodes. */
export async function findRemains(
  dockerd: Dockerd,
  dataRoots: readonly string[],
): Promise<readonly string[]> {
  const label = [LABELS.installation];
  const { engine } = dockerd;
  const containers = await engine.listContainers({ all: true, filters: { label } });
  const networks = await engine.listNetworks({ filters: { label } });
  const script = 'for root; do test ! -e "$root" || find "$root" -mindepth 1; done';
  const found = await dockerd.inside('sh', ['-c', script, 'sh', ...dataRoots]);
  const files = found.split('\n').filter((path) => path !== '' && !path.endsWith(MARKER_NAME));
  return [
    ...containers.map(({ Names, State }) => `container ${Names.join()} ${State}`),
    ...networks.map(({ Name }) => `network ${Name}`),
    ...files.filter((path) => !path.endsWith('/lost+found')).map((path) => `file ${path}`),
  ];
}

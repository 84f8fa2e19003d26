import type { KubeApi } from '../../kubernetes/kube-api.ts';
import { PODS } from '../../kubernetes/resources.ts';
import { LEADER_LABEL } from './names.ts';

/**
 * Puts the label by which the Service of the API finds the leader on this pod, and takes it off all
 * others: that of a dead node keeps its own.
 */
export async function labelLeader(
  api: KubeApi,
  { namespace, podName }: { namespace: string; podName: string },
): Promise<void> {
  const labelled = await api.list(PODS, { namespace, labels: { [LEADER_LABEL]: 'true' } });
  const others = labelled.map(({ metadata }) => metadata.name).filter((name) => name !== podName);
  const label = (name: string, value: 'true' | null) =>
    api.patch(PODS, { namespace, name }, { metadata: { labels: { [LEADER_LABEL]: value } } });
  await label(podName, 'true');
  await Promise.all(others.map((name) => label(name, null)));
}

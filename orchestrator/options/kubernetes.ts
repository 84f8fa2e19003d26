import type { KubernetesOptions } from '../platforms/kubernetes/kubernetes-options.ts';
import { type Environment, invalid, type Values } from './values.ts';

/** Where copies are on each node. */
export const DEFAULT_NODE_ROOT = '/var/lib/keelson';

/** In storage classes; the last word on whose claims are ours. */
export const DEFAULT_PROVISIONER = 'keelson.io';

export const KUBERNETES_OPTIONS = [
  ...(['namespace', 'node-selector', 'data-root', 'provisioner'] as const),
  ...(['image-prefix', 'image-tag'] as const),
];

/** RFC 1123, and in labels, prefixes and storage classes names of hosts before a slash. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const LABEL = /^([a-z0-9][a-z0-9.-]{0,252}\/)?[a-zA-Z0-9]([\w.-]{0,61}[a-zA-Z0-9])?$/;
const LABEL_VALUE = /^([a-zA-Z0-9]([\w.-]{0,61}[a-zA-Z0-9])?)?$/;
const PROVISIONER = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(\/[\w.-]{1,63})?$/;

/** Errors: INVALID_ARGUMENT. */
export function readKubernetes(values: Values, environment: Environment): KubernetesOptions {
  const provisionerName = values.provisioner ?? DEFAULT_PROVISIONER;
  if (!PROVISIONER.test(provisionerName)) {
    throw invalid(`--provisioner: expected a name such as ${DEFAULT_PROVISIONER}`);
  }
  return {
    namespace: readName('--namespace', values.namespace ?? environment.POD_NAMESPACE),
    podName: readName('$POD_NAME', environment.POD_NAME),
    nodeSelector: readSelector(values['node-selector']),
    dataRoot: readPath(values['data-root'] ?? DEFAULT_NODE_ROOT),
    provisionerName,
    imagePrefix: values['image-prefix'],
    imageTag: values['image-tag'],
  };
}

/** The manifest takes them from the pod's own fields. */
function readName(what: string, text = ''): string {
  if (NAME.test(text)) return text;
  throw invalid(`${what}: expected the name of this pod or of its namespace, got "${shown(text)}"`);
}

function readSelector(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined;
  const pairs = text.split(',').filter((part) => part.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [label = '', value, ...rest] = pair.trim().split('=');
      const isPair = value !== undefined && rest.length === 0;
      if (isPair && LABEL.test(label) && LABEL_VALUE.test(value)) return [label, value];
      throw invalid(`--node-selector: expected LABEL=VALUE, got "${shown(pair)}"`);
    }),
  );
}

/** It is mounted on every node, so it has to mean the same there. */
function readPath(text: string): string {
  if (/^(\/[\w.-]+)+$/.test(text) && !/\/\.\.?(\/|$)/.test(text)) return text;
  throw invalid(`--data-root: expected an absolute path, got "${shown(text)}"`);
}

function shown(text: string): string {
  return text.slice(0, 80);
}

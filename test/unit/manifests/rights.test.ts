import { globSync, readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import * as resources from '../../../orchestrator/kubernetes/resources.ts';

/** As the API server calls what our calls ask for. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  ...{ get: ['get'], list: ['list'], inform: ['list', 'watch'], create: ['create'] },
  ...{ replace: ['update'], patch: ['patch'], remove: ['delete'] },
  // Functions that are told the resource.
  ...{ read: ['get'], refreshOne: ['get'], free: ['patch'] },
  open: ['list', 'watch', 'create', 'patch', 'delete'],
};

/** `api.patch(VOLUMES, …, 'status')`: with what follows in the statement, where others may begin. */
const CALL = new RegExp(
  `\\b(${Object.keys(VERBS).join('|')})\\(\\s*([A-Z_]{3,})\\b(?=([^;]*))`,
  'g',
);

const RESOURCES = new Map(Object.entries(resources));

/** Outside of the system namespace only where somebody lets it (keelson-chap-reader). */
const CHAP = 'orchestrator/operator/chap-secret.ts';

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

function called(): string[] {
  const rights = new Set<string>();
  for (const path of globSync('orchestrator/**/*.ts')) {
    if (path === CHAP) continue;
    for (const [, call = '', name = '', rest = ''] of readFileSync(path, 'utf8').matchAll(CALL)) {
      const resource = RESOURCES.get(name);
      if (typeof resource !== 'object') continue;
      const part = /^[^=]*'status'/.test(rest) ? '/status' : '';
      const [group = '', version] = resource.apiVersion.split('/');
      for (const verb of VERBS[call] ?? []) {
        rights.add(`${version === undefined ? '' : group}/${resource.plural}${part} ${verb}`);
      }
    }
  }
  return [...rights].sort();
}

function granted(file: string, kinds: readonly string[]): string[] {
  const text = readFileSync(`manifests/kubernetes/system/${file}.yaml`, 'utf8');
  const roles = parseAllDocuments(text).map((document) => document.toJS() as Role);
  return roles
    .filter(({ kind }) => kinds.includes(kind))
    .flatMap(({ rules }) => rules)
    .flatMap(({ apiGroups, resources: names, verbs }) =>
      apiGroups.flatMap((group) =>
        names.flatMap((name) => verbs.map((verb) => `${group}/${name} ${verb}`)),
      ),
    )
    .sort();
}

test('the orchestrator may do what it calls, and nothing else', () => {
  const asked = called();
  expect(asked.length).toBeGreaterThan(30);
  expect(granted('orchestrator-rights', ['Role', 'ClusterRole'])).toEqual(asked);
});

test('it may do nothing with Secrets and pods beyond its own namespace', () => {
  const everywhere = granted('orchestrator-rights', ['ClusterRole']);
  expect(everywhere.filter((right) => /secrets|pods|deployments/.test(right))).toEqual([]);
  expect(everywhere.join()).not.toContain('*');
});

test('users who edit may not write the record of a volume', () => {
  expect(granted('user-rights', ['ClusterRole']).join()).not.toContain('status');
});

/** What run.ts hands to the tests, which jest starts in processes of their own. */
export interface Suite {
  /** undefined: a cluster that is not ours, whose nodes cannot be killed. */
  readonly harness: HarnessPlace | undefined;
  /** Of the images that all nodes have. */
  readonly tag: string;
  /** Everything, not only what npm test shows. */
  readonly isFull: boolean;
  /** Where the figures go. */
  readonly jsonPath: string | undefined;
}

/** `../shared/kube`, and where it keeps its state. */
export interface HarnessPlace {
  readonly command: string;
  readonly directory: string;
}

const VARIABLE = 'KEELSON_KUBERNETES_SUITE';

export function isInsideSuite(): boolean {
  return process.env[VARIABLE] !== undefined;
}

export function environmentOf(suite: Suite): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(suite) };
}

export function currentSuite(): Suite {
  const text = process.env[VARIABLE];
  if (text !== undefined) return JSON.parse(text) as Suite;
  throw new Error(
    'tests on Kubernetes: expected a cluster with Keelson on it, none is prepared; ' +
      'start them with npm test or npm run test:kubernetes',
  );
}

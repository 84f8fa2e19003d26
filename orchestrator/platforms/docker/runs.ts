import { type Run as BaseRun, Runs as BaseRuns } from '../runs.ts';

/** Which container a process runs in. */
interface Place {
  /** undefined until its container is chosen. */
  containerId: string | undefined;
  /** Where that is. */
  node: string | undefined;
  /** Of a controller, once its container is chosen. */
  instanceId: string | undefined;
  /** Unix time in seconds from which on the log of its container is about this run. */
  logSince: number;
}

/** The latest run of one process. */
export type Run = BaseRun<Place>;

export class Runs extends BaseRuns<Place> {
  constructor() {
    super(() => ({ containerId: undefined, node: undefined, instanceId: undefined, logSince: 0 }));
  }

  inContainer(containerId: string): Run | undefined {
    return this.all().find((run) => run.containerId === containerId);
  }

  on(nodes: ReadonlySet<string>): Run[] {
    return this.all().filter(({ node }) => node !== undefined && nodes.has(node));
  }
}

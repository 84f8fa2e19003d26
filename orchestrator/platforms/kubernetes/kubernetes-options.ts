/** What an orchestrator on Kubernetes is started with. */
export interface KubernetesOptions {
  /** The system namespace. */
  readonly namespace: string;
  /** Of this orchestrator. */
  readonly podName: string;
  /** Only nodes with all of these labels take copies; undefined: all but those that are tainted. */
  readonly nodeSelector: Readonly<Record<string, string>> | undefined;
  /** Absolute; on every node. */
  readonly dataRoot: string;
  /** Of the storage classes whose claims are served. */
  readonly provisionerName: string;
  /** Before `controller` and `replica`; undefined: as before `orchestrator` in this pod's image. */
  readonly imagePrefix: string | undefined;
  /** undefined: that of this pod's image. */
  readonly imageTag: string | undefined;
}

/** What an orchestrator on Kubernetes is started with. */
export interface KubernetesOptions {
  /** The system namespace. */
  readonly namespace: string;
  /** Of this orchestrator. */
  readonly podName: string;
  /** Only nodes with all of these labels take copies. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Absolute; on every node. */
  readonly dataRoot: string;
  /** Of the storage classes whose claims are served. */
  readonly provisionerName: string;
  /** Before `controller` and `replica`. */
  readonly imagePrefix: string;
  readonly imageTag: string;
}

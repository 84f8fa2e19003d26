export interface ChapWish {
  readonly namespace: string;
  readonly name: string;
  /** The namespace of the orchestrator, which is to read it. */
  readonly reader: string;
}

/** In the format of Kubernetes' own iSCSI volumes; discovery asks for the same as a login. */
export function chapObjects({ namespace, name, reader }: ChapWish): object[] {
  const user = { username: 'a-node', password: 'of-one-node-16ch' };
  const entries = ['node.session', 'discovery.sendtargets'].flatMap((prefix) =>
    Object.entries(user).map(([field, value]) => [`${prefix}.auth.${field}`, value]),
  );
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name } },
      ...{ type: 'kubernetes.io/iscsi-chap', stringData: Object.fromEntries(entries) },
    },
    {
      ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding' },
      metadata: { namespace, name: 'keelson-chap-reader' },
      roleRef: {
        ...{ apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole' },
        name: 'keelson-chap-reader',
      },
      subjects: [{ kind: 'ServiceAccount', name: 'keelson-orchestrator', namespace: reader }],
    },
  ];
}

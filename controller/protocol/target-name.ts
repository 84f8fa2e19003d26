/**
 * The iSCSI name of a volume's target. Namespace and name are DNS labels, so the dot between them
 * is unambiguous and the name stays below the 223 bytes of RFC 7143 section 4.2.7.1.
 */
export function targetNameOf(volume: {
  readonly namespace: string;
  readonly name: string;
}): string {
  return `iqn.2026-11.io.keelson:${volume.namespace}.${volume.name}`;
}

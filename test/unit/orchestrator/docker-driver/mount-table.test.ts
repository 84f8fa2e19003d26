import {
  findMount,
  hasMountBeside,
} from '../../../../orchestrator/docker-driver/core/mount-table.ts';

const TABLE = `22 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw
28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 28 8:0 / /var/lib/keelson/docker-driver/mounts/default.db rw,noatime shared:40 - ext4 /dev/sda rw
91 28 8:16 / /mnt/with\\040space rw - xfs /dev/sdb rw
92 90 8:32 / /var/lib/keelson/docker-driver/mounts/default.db rw - ext4 /dev/sdc rw
`;

test('the device of a mount is found, the topmost if there are several', () => {
  expect(findMount(TABLE, '/')?.device).toBe('254:0');
  expect(findMount(TABLE, '/var/lib/keelson/docker-driver/mounts/default.db')?.device).toBe('8:32');
});

test('a path is compared as a whole, with its escapes undone', () => {
  expect(findMount(TABLE, '/mnt/with space')?.device).toBe('8:16');
  expect(findMount(TABLE, '/mnt')).toBeUndefined();
  expect(findMount('', '/')).toBeUndefined();
});

test('a device is found at any path but the one that is left out', () => {
  const path = '/var/lib/keelson/docker-driver/mounts/default.db';
  expect(hasMountBeside(TABLE, '8:0', path)).toBe(false);
  expect(hasMountBeside(TABLE, '8:0', '/data')).toBe(true);
  expect(hasMountBeside(TABLE, '8:16', path)).toBe(true);
  expect(hasMountBeside(TABLE, '8:1', path)).toBe(false);
});

import {
  checkDefaults,
  FILE_SYSTEM_LABEL,
  fileSystemOf,
  readCreateOptions,
} from '../../../../orchestrator/docker-driver/core/create-options.ts';

const DB = { namespace: 'default', name: 'db' };

test('S34 N8 size=15 and storageos.feature.replicas=2 are a size and a label', () => {
  const options = { size: '15', 'storageos.feature.replicas': '2' };
  expect(readCreateOptions(DB, options, {})).toEqual({
    size: '15',
    labels: { 'storageos.feature.replicas': '2' },
    defaults: {},
  });
});

test('every option that is not the driver’s own is a label', () => {
  const labels = { 'storageos.com/failure.mode': 'hard', 'keelson.io/replicas': '1', env: 'prod' };
  expect(readCreateOptions(DB, { ...labels, namespace: 'default' }, {})).toEqual({
    labels,
    defaults: {},
  });
});

test('the file system is kept with the volume, for whichever host mounts it first', () => {
  const { labels } = readCreateOptions(DB, { fs: 'xfs' }, {});
  expect(labels).toEqual({ [FILE_SYSTEM_LABEL]: 'xfs' });
  expect(fileSystemOf(labels)).toBe('xfs');
  expect(fileSystemOf({})).toBe('ext4');
});

test('S30 defaults that decide something go below rules, the others count where an option is missing', () => {
  const defaults = {
    size: '10',
    fs: 'xfs',
    'storageos.com/replicas': '2',
    owner: 'ops',
    env: 'test',
  };
  expect(readCreateOptions(DB, { env: 'prod', size: '1' }, defaults)).toEqual({
    size: '1',
    labels: { [FILE_SYSTEM_LABEL]: 'xfs', owner: 'ops', env: 'prod' },
    defaults: { 'storageos.com/replicas': '2' },
  });
});

test('a namespace that the name does not say is refused with the name that would', () => {
  expect(() => readCreateOptions(DB, { namespace: 'prod' }, {})).toThrow(
    /^option namespace=prod: .* named prod\.db; run docker volume create with that name$/,
  );
  const volume = { namespace: 'prod', name: 'db' };
  expect(readCreateOptions(volume, { namespace: 'prod' }, {})).toEqual({
    labels: {},
    defaults: {},
  });
});

test.each([
  [{ replicas: '2' }, /^option replicas: not known; did you mean keelson\.io\/replicas=2\?$/],
  [{ fstype: 'xfs' }, /did you mean fs=xfs/],
  [{ fs: 'btrfs' }, /^option fs: expected ext4 or xfs, got "btrfs"$/],
  [{ fs: '' }, /^option fs/],
  [{ size: '15GB' }, /^size "15GB": expected/],
  [{ size: '' }, /^size ""/],
])('%j is refused', (options, reason) => {
  expect(() => readCreateOptions(DB, options as Record<string, string>, {})).toThrow(reason);
});

test.each([
  [{ size: 'big' }, /^size "big"/],
  [{ namespace: 'prod' }, /^option namespace/],
  [{ fs: 'ntfs' }, /^option fs/],
  [{ 'keelson.io/replicas': '9' }, /^label keelson\.io\/replicas/],
  [{ 'keelson.io/replica': '1' }, /keelson\.io\/replica/],
  [{ 'failure.mode': 'hard' }, /did you mean keelson\.io\/failure-mode=hard/],
])('the default %j is refused when the driver starts', (defaults, reason) => {
  expect(() => checkDefaults(defaults as Record<string, string>)).toThrow(reason);
});

test('good defaults pass', () => {
  checkDefaults({ size: '10', fs: 'ext4', 'storageos.com/replicas': '2', env: 'prod' });
});

test('a label that names another file system is refused where it would be made', () => {
  expect(() => fileSystemOf({ [FILE_SYSTEM_LABEL]: 'zfs' })).toThrow(
    /^label docker\.keelson\.io\/fs/,
  );
});

import { readClassParameters } from '../../../../orchestrator/provisioner/core/class-parameters.ts';

const NOTHING = { defaults: {}, fsType: 'ext4', chapSecretName: undefined };

test.each<[string, Record<string, string>, object]>([
  ['nothing', {}, {}],
  ['a field of a volume', { replicas: '2' }, { defaults: { 'keelson.io/replicas': '2' } }],
  [
    'all fields',
    {
      ...{ replicas: '1', failureMode: 'hard', failureTolerance: '1', sanitize: 'allow' },
      initiators: 'iqn.2026-11.com.example:a,iqn.2026-11.com.example:b',
    },
    {
      defaults: {
        'keelson.io/replicas': '1',
        'keelson.io/failure-mode': 'hard',
        'keelson.io/failure-tolerance': '1',
        'keelson.io/sanitize': 'allow',
        'keelson.io/initiators': 'iqn.2026-11.com.example:a,iqn.2026-11.com.example:b',
      },
    },
  ],
  ['a label', { 'keelson.io/replicas': '3' }, { defaults: { 'keelson.io/replicas': '3' } }],
  [
    'labels of StorageOS',
    { 'storageos.com/replicas': '1', 'storageos.com/failure.mode': 'alwayson' },
    { defaults: { 'storageos.com/replicas': '1', 'storageos.com/failure.mode': 'alwayson' } },
  ],
  [
    'two names that agree',
    { replicas: '1', 'storageos.com/replicas': '1' },
    {
      defaults: { 'keelson.io/replicas': '1', 'storageos.com/replicas': '1' },
    },
  ],
  ['a file system', { fsType: 'xfs' }, { fsType: 'xfs' }],
  ['a file system as CSI has it', { 'csi.storage.k8s.io/fstype': 'btrfs' }, { fsType: 'btrfs' }],
  ['a secret', { chapSecretName: 'chap.of-team' }, { chapSecretName: 'chap.of-team' }],
])('parameters of a class: %s', (_, parameters, expected) => {
  expect(readClassParameters(parameters)).toEqual({ ...NOTHING, ...expected });
});

test.each<[string, Record<string, string>, RegExp]>([
  [
    'one that is not known',
    { replica: '2' },
    /"replica" is not known; expected one of replicas, failureMode.*fsType.*chapSecretName.*storageos\.com\/replicas/,
  ],
  ['a label that decides nothing', { env: 'prod' }, /"env" is not known/],
  ['what every object has', { constructor: 'x' }, /"constructor" is not known/],
  [
    'a value out of range',
    { replicas: '9' },
    /keelson\.io\/replicas: expected a whole number from 0 to 5, got "9"/,
  ],
  ['a mode that there is not', { failureMode: 'sometimes' }, /expected .*soft.*got "sometimes"/],
  ['two names that disagree', { replicas: '1', 'storageos.com/replicas': '2' }, /disagree/],
  ['one label by two names', { replicas: '1', 'keelson.io/replicas': '2' }, /given twice/],
  [
    'a file system that nobody makes',
    { fsType: 'ntfs' },
    /fsType: expected one of ext4.*got "ntfs"/,
  ],
  ['two file systems', { fsType: 'xfs', 'csi.storage.k8s.io/fstype': 'ext4' }, /disagree/],
  [
    'no name of a secret',
    { chapSecretName: 'team/chap' },
    /chapSecretName: expected the name of a Secret/,
  ],
])('parameters of a class: %s is refused', (_, parameters, why) => {
  expect(() => readClassParameters(parameters)).toThrow(why);
});

import {
  decodePluginRequest,
  needsBody,
} from '../../../../orchestrator/docker-driver/core/plugin-request.ts';

const ID = 'b87d7442095999a92b65b3d9691e697b61713829cc0ffd1bb72e4ccd51aa4d6c';

test.each([
  ['/Plugin.Activate', {}, { kind: 'activate' }],
  ['/VolumeDriver.Capabilities', {}, { kind: 'capabilities' }],
  ['/VolumeDriver.List', {}, { kind: 'list' }],
  [
    '/VolumeDriver.Create',
    { Name: 'db', Opts: { size: '15' } },
    { kind: 'create', name: 'db', options: { size: '15' } },
  ],
  ['/VolumeDriver.Create', { Name: 'db' }, { kind: 'create', name: 'db', options: {} }],
  ['/VolumeDriver.Create', { Name: 'db', Opts: null }, { kind: 'create', name: 'db', options: {} }],
  ['/VolumeDriver.Get', { Name: 'db' }, { kind: 'get', name: 'db' }],
  ['/VolumeDriver.Path', { Name: 'db' }, { kind: 'path', name: 'db' }],
  ['/VolumeDriver.Remove', { Name: 'db' }, { kind: 'remove', name: 'db' }],
  ['/VolumeDriver.Mount', { Name: 'db', ID }, { kind: 'mount', name: 'db', id: ID }],
  ['/VolumeDriver.Unmount', { Name: 'db', ID }, { kind: 'unmount', name: 'db', id: ID }],
])('%s with %j is understood', (path, body, request) => {
  expect(decodePluginRequest(path, body)).toEqual(request);
});

test.each([
  ['/VolumeDriver.Get', {}, /^Name: expected a string/],
  ['/VolumeDriver.Get', { Name: '' }, /^Name/],
  ['/VolumeDriver.Get', { Name: 7 }, /^Name/],
  ['/VolumeDriver.Get', { Name: 'x'.repeat(256) }, /^Name/],
  ['/VolumeDriver.Get', [], /^body: expected an object/],
  ['/VolumeDriver.Get', null, /^body/],
  ['/VolumeDriver.Mount', { Name: 'db' }, /^ID/],
  ['/VolumeDriver.Mount', { Name: 'db', ID: 'x'.repeat(256) }, /^ID/],
  ['/VolumeDriver.Unmount', { ID }, /^Name/],
  ['/VolumeDriver.Create', { Name: 'db', Opts: [] }, /^Opts: expected an object/],
  ['/VolumeDriver.Create', { Name: 'db', Opts: { size: 15 } }, /^option size: expected a string/],
  ['/VolumeDriver.Create', { Name: 'db', Opts: { a: 'x'.repeat(8193) } }, /^option a: expected/],
  ['/VolumeDriver.Create', { Name: 'db', Opts: many(81) }, /^Opts: expected at most 80 options/],
])('%s with %j is refused', (path, body, reason) => {
  expect(() => decodePluginRequest(path, body)).toThrow(reason);
});

test.each([
  ...['/', '', '/VolumeDriver', '/VolumeDriver.', '/VolumeDriver.Nope', '/VolumeDriver.get'],
  ...[
    '/VolumeDriver.Get/',
    '/VolumeDriver.constructor',
    '/NetworkDriver.Get',
    '/Plugin.Deactivate',
  ],
])('%p is no call of a volume plugin', (path) => {
  expect(() => decodePluginRequest(path, { Name: 'db' })).toThrow(/no such call/);
});

test('calls without a body are answered whatever was sent with them', () => {
  for (const path of ['/Plugin.Activate', '/VolumeDriver.Capabilities', '/VolumeDriver.List']) {
    expect(needsBody(path)).toBe(false);
    expect(decodePluginRequest(path, undefined)).toBeDefined();
  }
  expect(needsBody('/VolumeDriver.Get')).toBe(true);
});

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`o${index}`, 'x']));
}

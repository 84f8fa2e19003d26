import {
  changeNodeRecord,
  nodeSettings,
} from '../../../../orchestrator/docker-driver/core/node-record.ts';

const RECORD = `# BEGIN RECORD 2.1.8
node.name = iqn.2026-11.io.keelson:default.db
node.startup = automatic
node.session.auth.authmethod = None
node.session.auth.password_in = old
node.conn[0].address = 127.0.1.1
# END RECORD
`;
const ALICE = { name: 'alice', secret: 'alices-secret-16' };
const TARGET = { name: 'keelson', secret: 'the-targets-own-1' };

test('settings take the place of those of the record, and the rest stays', () => {
  const changed = changeNodeRecord(RECORD, { 'node.startup': 'manual', 'node.new': '1' });
  expect(changed).toBe(`# BEGIN RECORD 2.1.8
node.name = iqn.2026-11.io.keelson:default.db
node.session.auth.authmethod = None
node.session.auth.password_in = old
node.conn[0].address = 127.0.1.1
node.startup = manual
node.new = 1
# END RECORD
`);
  expect(changeNodeRecord(changed, { 'node.startup': 'manual', 'node.new': '1' })).toBe(changed);
});

test('without CHAP none is offered', () => {
  const settings = nodeSettings(null);
  expect(settings['node.session.auth.authmethod']).toBe('None');
  expect(Object.keys(settings).filter((name) => name.includes('password'))).toEqual([]);
});

test('CHAP uses the first user, and mutual CHAP asks the target for its own', () => {
  const one = nodeSettings({ users: [ALICE], mutual: null, allowsShortSecrets: false });
  expect(one).toMatchObject({
    'node.session.auth.authmethod': 'CHAP',
    'node.session.auth.username': 'alice',
    'node.session.auth.password': ALICE.secret,
  });
  expect(one['node.session.auth.password_in']).toBeUndefined();
  const both = nodeSettings({ users: [ALICE], mutual: TARGET, allowsShortSecrets: false });
  expect(both).toMatchObject({
    'node.session.auth.username_in': 'keelson',
    'node.session.auth.password_in': TARGET.secret,
  });
});

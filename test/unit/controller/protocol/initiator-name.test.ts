import { foldName, isInitiatorName } from '../../../../controller/protocol/initiator-name.ts';

test.each([
  ['IQN.2026-11.COM.Example:Host', 'iqn.2026-11.com.example:host'],
  ['iqn.2026-11.com.example:ﬁle', 'iqn.2026-11.com.example:file'],
  ['EUI.0123456789ABCDEF', 'eui.0123456789abcdef'],
])('an iSCSI name is compared folded: %s as %s (RFC 3722)', (name, folded) => {
  expect(foldName(name)).toBe(folded);
});

test.each([
  'iqn.2026-11.com.example',
  'iqn.1993-08.org.debian:01:8d74927a5fe7',
  'iqn.1991-05.com.microsoft:win_host',
  'eui.02004567a425678d',
  'naa.52004567ba64678d',
  'naa.62004567ba64678d0123456789abcdef',
  `iqn.2026-11.com.example:${'a'.repeat(199)}`,
])('%s is the name of an initiator (RFC 7143 section 4.2.7)', (name) => {
  expect(isInitiatorName(name)).toBe(true);
});

test.each([
  '',
  'host1',
  'iqn.2026.com.example',
  'iqn.2026-13.com.example',
  'iqn.2026-11.',
  'iqn.2026-11.com.example:a b',
  'iqn.2026-11.com.example:a=b',
  'IQN.2026-11.COM.EXAMPLE',
  'eui.0123',
  'eui.0123456789abcdeg',
  'naa.0123456789abcdef0',
  `iqn.2026-11.com.example:${'a'.repeat(200)}`,
])('%j is none', (name) => {
  expect(isInitiatorName(name) && foldName(name) === name).toBe(false);
});

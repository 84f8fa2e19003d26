import { Negotiation } from '../../../../controller/iscsi/negotiation.ts';

describe('negotiation', () => {
  test.each([
    ['HeaderDigest', 'CRC32C,None', 'CRC32C'],
    ['HeaderDigest', 'None,CRC32C', 'None'],
    ['HeaderDigest', 'CRC32C', 'CRC32C'],
    ['HeaderDigest', 'X-md5,CRC32C', 'CRC32C'],
    ['HeaderDigest', 'X-md5', 'Reject'],
    ['HeaderDigest', 'crc32c', 'Reject'],
    ['HeaderDigest', '', 'Reject'],
    ['DataDigest', 'CRC32C,None', 'CRC32C'],
    ['DataDigest', 'None', 'None'],
    ['MaxConnections', '8', '1'],
    ['InitialR2T', 'No', 'No'],
    ['InitialR2T', 'Yes', 'Yes'],
    ['InitialR2T', 'Maybe', 'Reject'],
    ['ImmediateData', 'Yes', 'Yes'],
    ['ImmediateData', 'No', 'No'],
    ['MaxRecvDataSegmentLength', '65536', undefined],
    ['MaxRecvDataSegmentLength', '511', 'Reject'],
    ['MaxRecvDataSegmentLength', '16777216', 'Reject'],
    ['MaxBurstLength', '16776192', '1048576'],
    ['MaxBurstLength', '0x8000', '32768'],
    ['MaxBurstLength', 'many', 'Reject'],
    ['MaxBurstLength', '-1', 'Reject'],
    ['FirstBurstLength', '1048576', '262144'],
    ['FirstBurstLength', '65536', '65536'],
    ['DefaultTime2Wait', '2', '2'],
    ['DefaultTime2Retain', '20', '0'],
    ['MaxOutstandingR2T', '1', '1'],
    ['MaxOutstandingR2T', '64', '8'],
    ['MaxOutstandingR2T', '0', 'Reject'],
    ['DataPDUInOrder', 'No', 'Yes'],
    ['DataSequenceInOrder', 'No', 'Yes'],
    ['ErrorRecoveryLevel', '2', '0'],
    ['iSCSIProtocolLevel', '2', '1'],
    ['TaskReporting', 'FastAbort,RFC3720', 'RFC3720'],
    ['IFMarker', 'Yes', 'No'],
    ['OFMarker', 'No', 'No'],
    ['IFMarkInt', '2048', 'Reject'],
    ['InitiatorAlias', 'host', undefined],
    ['TargetAlias', 'mine', 'Reject'],
    ['TargetAlias', 'NotUnderstood', undefined],
    ['X-com.example.key', 'value', 'NotUnderstood'],
    ['X-com.example.key', 'NotUnderstood', undefined],
    ['__proto__', 'value', 'NotUnderstood'],
  ])('answers %s=%s with %s', (key, value, answer) => {
    expect(new Negotiation().offer(key, value)).toEqual({ answer });
  });

  test('keeps the defaults of the RFC for what is not negotiated', () => {
    expect(new Negotiation().parameters()).toEqual({
      maxRecvDataSegmentLength: 8192,
      maxBurstLength: 262144,
      firstBurstLength: 65536,
      maxOutstandingR2T: 1,
      initialR2T: true,
      immediateData: true,
      digests: { header: false, data: false },
    });
  });

  test.each([
    ['CRC32C', 'None', { header: true, data: false }],
    ['None,CRC32C', 'CRC32C,None', { header: false, data: true }],
    ['CRC32C,None', 'X-md5', { header: true, data: false }],
  ])('agrees on HeaderDigest=%s and DataDigest=%s one by one', (header, data, digests) => {
    const negotiation = new Negotiation();
    negotiation.offer('HeaderDigest', header);
    negotiation.offer('DataDigest', data);
    expect(negotiation.parameters().digests).toEqual(digests);
  });

  test('keeps what was agreed, and nothing of what was rejected', () => {
    const negotiation = new Negotiation();
    negotiation.offer('InitialR2T', 'No');
    negotiation.offer('MaxBurstLength', '1');
    negotiation.offer('FirstBurstLength', '131072');
    expect(negotiation.parameters()).toMatchObject({
      initialR2T: false,
      maxBurstLength: 262144,
      firstBurstLength: 131072,
    });
  });

  test('tells a key that comes again', () => {
    const negotiation = new Negotiation();
    negotiation.offer('ImmediateData', 'Yes');
    expect(negotiation.offer('ImmediateData', 'No')).toBe('again');
  });

  test('lets only declarations change in the full feature phase', () => {
    const negotiation = new Negotiation();
    negotiation.offer('MaxRecvDataSegmentLength', '65536');
    expect(negotiation.offerLater('MaxRecvDataSegmentLength', '4096')).toBeUndefined();
    expect(negotiation.offerLater('MaxBurstLength', '4096')).toBe('Reject');
    expect(negotiation.offerLater('X-other', '1')).toBe('NotUnderstood');
    expect(negotiation.parameters().maxRecvDataSegmentLength).toBe(4096);
  });
});

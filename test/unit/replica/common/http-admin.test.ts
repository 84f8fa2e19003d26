import { Registry } from 'prom-client';
import { registerProcessMetrics, startAdminServer } from '../../../../replica/common/http-admin.ts';

test('admin server, answers its four pages and nothing else', async () => {
  let isReady = false;
  const metrics = new Registry();
  registerProcessMetrics(metrics);
  const server = await startAdminServer({
    ...{ host: '127.0.0.1', port: 0, metrics },
    isReady: () => isReady,
    status: () => ({ epoch: 4 }),
  });
  const get = (path: string, method = 'GET') =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  try {
    expect((await get('/healthz')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(503);
    isReady = true;
    expect((await get('/readyz')).status).toBe(200);
    expect(await (await get('/status?pretty')).json()).toEqual({ epoch: 4 });
    const text = await (await get('/metrics')).text();
    expect(text).toMatch(/^process_cpu_seconds_total [\d.]+$/m);
    expect(text).toMatch(/^process_resident_memory_bytes [1-9]\d+$/m);
    expect((await get('/')).status).toBe(404);
    expect((await get('/toString')).status).toBe(404);
    const post = await get('/status', 'POST');
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET']);
    const { port } = server;
    const second = startAdminServer({
      ...{ host: '127.0.0.1', port, metrics, isReady: () => true, status: () => ({}) },
    });
    await expect(second).rejects.toMatchObject({ code: 'IN_USE' });
  } finally {
    await server.close();
  }
});

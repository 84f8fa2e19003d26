import type Docker from 'dockerode';

/** `docker exec`: what the program printed, both streams as one, and its exit code. */
export async function execIn(
  container: Docker.Container,
  words: readonly string[],
): Promise<{ readonly code: number | null; readonly output: string }> {
  const options = { Cmd: [...words], Tty: true, AttachStdout: true, AttachStderr: true };
  const exec = await container.exec(options);
  const output = await textOf(await exec.start({ Tty: true }));
  const { ExitCode: code } = await exec.inspect();
  return { code, output: output.replaceAll('\r\n', '\n') }; // as a terminal ends lines
}

export async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

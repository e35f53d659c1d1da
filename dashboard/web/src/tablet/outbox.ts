// What this device has said and the room has not acknowledged: kept in IndexedDB, so that a
// reload, a flat battery or a day in a drawer lose no answer. Without IndexedDB (private windows)
// it lasts as long as the page.

export interface Letter {
  id: string;
  session: string;
  /** The message without its id; ids make repeating harmless. */
  message: Record<string, unknown> & { type: string };
}

const NAME = "classroomd-tablet";
const kept = new Map<string, Letter>();
let base: IDBDatabase | null = null;

/** Opens the outbox and reads what an earlier page left in it. */
export async function open(): Promise<void> {
  try {
    base = await new Promise<IDBDatabase>((resolve, reject) => {
      const asked = indexedDB.open(NAME, 1);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore("outbox", { keyPath: "n", autoIncrement: true });
      };
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    const read = base.transaction("outbox").objectStore("outbox").getAll();
    await new Promise((resolve) => (read.onsuccess = read.onerror = resolve));
    for (const { letter } of (read.result ?? []) as { letter: Letter }[]) {
      kept.set(letter.id, letter);
    }
  } catch {
    base = null;
  }
}

export function put(letter: Letter): void {
  kept.set(letter.id, letter);
  try {
    base?.transaction("outbox", "readwrite").objectStore("outbox").add({ letter });
  } catch {
    base = null;
  }
}

/** The room has it, or will never take it. */
export function settle(id: string): Letter | undefined {
  const letter = kept.get(id);
  if (!letter) return undefined;
  kept.delete(id);
  forget((other) => other.id === id);
  return letter;
}

/** Throws away what another session left. */
export function keepOnly(session: string): void {
  for (const letter of [...kept.values()]) if (letter.session !== session) kept.delete(letter.id);
  forget((letter) => letter.session !== session);
}

export function letters(): Letter[] {
  return [...kept.values()];
}

function forget(which: (letter: Letter) => boolean): void {
  try {
    const walk = base?.transaction("outbox", "readwrite").objectStore("outbox").openCursor();
    if (!walk) return;
    walk.onsuccess = () => {
      const cursor = walk.result;
      if (!cursor) return;
      if (which((cursor.value as { letter: Letter }).letter)) cursor.delete();
      cursor.continue();
    };
  } catch {
    base = null;
  }
}

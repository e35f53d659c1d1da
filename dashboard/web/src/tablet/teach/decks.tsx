// Decks: what is here already, and bringing one from this device, a stick or the course.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Button } from "../parts";
import { number, t, type Key } from "../texts";

interface Deck {
  id: string;
  title: string;
  pages: unknown[];
}

interface Found {
  id: string;
  name: string;
  place: string;
}

const API = "/api/v1/tablets/decks";
const ELSEWHERE = [
  ["stick", "deck.stick"],
  ["course", "deck.course"],
] as const;

async function ask<T>(path: string, method = "GET", body?: BodyInit, type = "application/json") {
  const answer = await fetch(API + path, {
    method,
    ...(method !== "GET" && { headers: { "Content-Type": type }, body: body ?? "{}" }),
  });
  const told = (await answer.json().catch(() => null)) as (T & { detail?: string }) | null;
  if (!answer.ok) throw new Error(told?.detail);
  return told as T;
}

export function Decks() {
  const here = useSignal<Deck[]>([]);
  const place = useSignal<string | null>(null);
  const found = useSignal<Found[] | null>(null);
  const reading = useSignal(false);
  const wrong = useSignal("");
  const list = async () => {
    here.value = await ask<Deck[]>("");
  };
  const work = async (job: () => Promise<unknown>) => {
    reading.value = true;
    wrong.value = "";
    try {
      await job();
      await list();
    } catch (error) {
      wrong.value = error instanceof Error && error.message ? error.message : t("join.away");
    } finally {
      reading.value = false;
    }
  };
  useEffect(() => void work(list), []);
  const open = (deck: Deck) => ask(`/${deck.id}/open`, "POST");
  const bring = async (file: File | undefined) => {
    if (!file) return;
    const type = file.type || "application/octet-stream";
    await work(async () =>
      open(await ask<Deck>(`?name=${encodeURIComponent(file.name)}`, "POST", file, type)),
    );
  };
  const look = (where: string) =>
    work(async () => {
      found.value = null;
      place.value = place.value === where ? null : where;
      if (place.value) found.value = await ask<Found[]>(`/${where}`);
    });
  const fetchIt = (one: Found) =>
    work(async () => {
      await open(await ask<Deck>(`/${place.value}/${one.id}`, "POST"));
      place.value = null;
    });
  return (
    <section class="stack decks" aria-label={t("deck.title")} aria-busy={reading.value}>
      <label class="file">
        {t(reading.value ? "teach.deck.reading" : "teach.deck")}
        <input
          type="file"
          accept=".pdf,.pptx,.ppt,.odp"
          disabled={reading.value}
          onChange={(event) => void bring(event.currentTarget.files?.[0])}
        />
      </label>
      <div class="row">
        {ELSEWHERE.map(([where, word]) => (
          <Button
            key={where}
            pressed={place.value === where}
            disabled={reading.value}
            act={() => void look(where)}
          >
            {t(word as Key)}
          </Button>
        ))}
      </div>
      {found.value?.length === 0 && <p>{t("deck.none")}</p>}
      <ul class="found">
        {(found.value ?? []).map((one) => (
          <li key={one.id}>
            <Button disabled={reading.value} act={() => void fetchIt(one)}>
              <bdi>{one.name}</bdi>
              <small>
                <bdi>{one.place}</bdi>
              </small>
            </Button>
          </li>
        ))}
      </ul>
      <p role="alert" class="wrong">
        {wrong}
      </p>
      {here.value.length > 0 && (
        <details>
          <summary>{t("deck.title")}</summary>
          <ul class="found">
            {here.value.map((deck) => (
              <li key={deck.id} class="row">
                <Button disabled={reading.value} act={() => void work(() => open(deck))}>
                  <bdi>{deck.title}</bdi>
                  <small>{number(deck.pages.length)}</small>
                </Button>
                <Button
                  kind="danger"
                  label={`${t("deck.remove")}: ${deck.title}`}
                  act={() => void work(() => ask(`/${deck.id}`, "DELETE"))}
                >
                  {t("deck.remove")}
                </Button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

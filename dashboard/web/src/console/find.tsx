// A new device in four steps: found, its profile, tried on the wire, written into the room's file.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Checked, Found, ProfileView, RoomText, SearchView, TrialView } from "../api/types";
import { me } from "../room/store";
import { Button } from "../ui/button";
import { told, useEvery } from "./api";
import { firstValue, Outcome, ValueField, valueOf, Wire } from "./devices";
import { draft } from "./roomfile";
import { t, type Key } from "./texts";

const WIRE = "tcp://10.0.12.20:4352";
const OPTIONS = "id=1, password=file:/etc/classroomd/projector";

interface Chosen {
  transport: string;
  profile: string;
  name: string;
}

export function Find() {
  const chosen = useSignal<Chosen | null>(null);
  return (
    <div class="stack">
      {chosen.value === null ? (
        <Search choose={(one) => (chosen.value = one)} />
      ) : (
        <Commission chosen={chosen.value} back={() => (chosen.value = null)} />
      )}
    </div>
  );
}

function Search({ choose }: { choose: (one: Chosen) => void }) {
  const view = useSignal<SearchView | null>(null);
  const subnets = useSignal("");
  useEvery(1000, async () => {
    if (view.value === null || view.value.running)
      view.value = await told<SearchView>("GET", "/discovery");
  });
  const found = view.value?.found ?? [];
  const running = view.value?.running === true;
  const take = (one: Found) =>
    choose({
      transport: one.transport,
      profile: one.profile ?? "",
      name: one.name || one.model || one.vendor,
    });
  return (
    <section class="card" aria-labelledby="find-title">
      <h2 id="find-title">{t("find.title")}</h2>
      <p class="small">{t("find.text")}</p>
      <div class="row">
        <label class="field">
          <span>{t("find.subnets")}</span>
          <input
            dir="ltr"
            placeholder="10.0.12.0/26"
            value={subnets.value}
            onInput={(event) => (subnets.value = event.currentTarget.value)}
          />
        </label>
        <Button
          kind="main"
          disabled={running}
          act={async () => {
            const asked = subnets.value.split(/[\s,]+/).filter(Boolean);
            view.value = await told<SearchView>("POST", "/discovery", { subnets: asked });
          }}
        >
          {t("find.start")}
        </Button>
        <Button act={() => choose({ transport: "", profile: "", name: "" })}>{t("find.hand")}</Button>
      </div>
      <p class="line" role="status">
        {running && <span class="mark busy" aria-hidden="true" />}
        {running ? t("find.running") : ""} {t("find.count", { n: found.length })}
      </p>
      {view.value?.problem !== "" && <p class="small">{view.value?.problem}</p>}
      <ul class="plain-list found-list">
        {found.map((one) => (
          <li key={`${one.how}${one.transport}${one.profile ?? ""}`} class="found">
            <div>
              <strong>
                <bdi>{one.name || one.model || one.vendor || one.transport}</bdi>
              </strong>
              <p class="small" dir="ltr">
                {[one.vendor, one.model, one.firmware, one.transport, one.how].filter(Boolean).join(" · ")}
              </p>
            </div>
            <p class="line">
              <span
                class={`mark ${one.certainty === "certain" ? "good" : one.certainty === "likely" ? "busy" : "off"}`}
                aria-hidden="true"
              />
              {one.profile !== null && <code>{one.profile}</code>}
              <span>{t(`sure.${one.certainty}` as Key)}</span>
            </p>
            <Button act={() => take(one)}>{t("find.take")}</Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Commission({ chosen, back }: { chosen: Chosen; back: () => void }) {
  const profiles = useSignal<ProfileView[]>([]);
  const profile = useSignal(chosen.profile);
  const transport = useSignal(chosen.transport);
  const name = useSignal(chosen.name);
  const id = useSignal(chosen.name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40));
  const options = useSignal("");
  const scenes = useSignal(false);
  const trial = useSignal<TrialView | null>(null);
  const command = useSignal("");
  const value = useSignal("");
  useEffect(() => {
    void told<ProfileView[]>("GET", "/profiles").then((all) => (profiles.value = all ?? []));
  }, []);
  const pairs = (): Record<string, string | number> => {
    const made: Record<string, string | number> = {};
    for (const part of options.value.split(/[\n,]+/)) {
      const [key = "", ...rest] = part.split("=");
      const text = rest.join("=").trim();
      if (key.trim()) made[key.trim()] = /^-?\d+$/.test(text) ? Number(text) : text;
    }
    return made;
  };
  const known = trial.value?.device.commands ?? [];
  const info = known.find((one) => one.name === command.value);
  const test = async (send: boolean) => {
    const body = { profile: profile.value, transport: transport.value, options: pairs() };
    const more =
      send && info !== undefined ? { command: info.name, value: valueOf(info, value.value) } : {};
    const answer = await told<TrialView>("POST", "/discovery/trial", { ...body, ...more });
    if (answer !== null) trial.value = answer;
  };
  const write = async () => {
    const now = draft.value ?? (await told<RoomText>("GET", "/config"))?.text ?? null;
    if (now === null) return;
    const made = await told<Checked>("POST", "/config/device", {
      text: now,
      id: id.value,
      name: name.value,
      profile: profile.value,
      transport: transport.value,
      options: pairs(),
      scenes: scenes.value,
    });
    if (made === null) return;
    draft.value = made.text;
    location.hash = "config";
  };
  const answered = trial.value !== null && trial.value.device.health === "online";
  return (
    <section class="card commission" aria-labelledby="commission-title">
      <h2 id="commission-title">{t("commission")}</h2>
      <div class="fields">
        <label class="field">
          <span>{t("field.profile")}</span>
          <input dir="ltr" list="profiles" value={profile.value} onInput={(event) => (profile.value = event.currentTarget.value)} />
          <datalist id="profiles">
            {profiles.value.map((one) => (
              <option key={one.name} value={one.name}>
                {`${one.title} ${one.models.slice(0, 4).join(", ")}`}
              </option>
            ))}
          </datalist>
        </label>
        <label class="field">
          <span>{t("field.transport")}</span>
          <input dir="ltr" placeholder={WIRE} value={transport.value} onInput={(event) => (transport.value = event.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{t("field.options")}</span>
          <input dir="ltr" placeholder={OPTIONS} value={options.value} onInput={(event) => (options.value = event.currentTarget.value)} />
        </label>
      </div>
      <div class="row">
        <Button kind="main" disabled={!profile.value || !transport.value} act={() => test(false)}>
          {t("trial.connect")}
        </Button>
        <Button local act={back}>
          {t("find.back")}
        </Button>
      </div>
      {trial.value !== null && (
        <>
          <p class="line" role="status">
            <span class={`mark ${answered ? "good" : "bad"}`} aria-hidden="true" />
            {t(answered ? "trial.answers" : "trial.silent")}
            <bdi dir="ltr">
              {[trial.value.device.model, trial.value.device.firmware, trial.value.device.detail].filter(Boolean).join(" · ")}
            </bdi>
          </p>
          <div class="row">
            <label class="field">
              <span>{t("trial.command")}</span>
              <select
                value={command.value}
                onChange={(event) => {
                  command.value = event.currentTarget.value;
                  const next = known.find((one) => one.name === command.value);
                  value.value = next === undefined ? "" : firstValue(next);
                }}
              >
                <option value="">{t("trial.choose")}</option>
                {known.map((one) => (
                  <option key={one.name} value={one.name}>
                    {one.name}
                  </option>
                ))}
              </select>
            </label>
            {info !== undefined && <ValueField info={info} value={value.value} set={(text) => (value.value = text)} />}
            <Button disabled={info === undefined} act={() => test(true)}>
              {t("send")}
            </Button>
          </div>
          {trial.value.result !== null && <Outcome result={trial.value.result} />}
          <Wire entries={[...trial.value.traffic].reverse()} />
        </>
      )}
      {me.value?.role === "admin" ? (
        <>
          <div class="fields">
            <label class="field">
              <span>{t("field.id")}</span>
              <input dir="ltr" value={id.value} onInput={(event) => (id.value = event.currentTarget.value)} />
            </label>
            <label class="field">
              <span>{t("field.name")}</span>
              <input dir="auto" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
            </label>
            <label class="check">
              <input type="checkbox" checked={scenes.value} onChange={(event) => (scenes.value = event.currentTarget.checked)} />
              <span>{t("field.scenes")}</span>
            </label>
          </div>
          <Button kind="main" disabled={!id.value || !profile.value || !transport.value} act={write}>
            {t("commission.write")}
          </Button>
        </>
      ) : (
        <p class="small">{t("commission.admin")}</p>
      )}
    </section>
  );
}

// The room's tablets: who is here, how they are, and what can be done with each.

import { useSignal } from "@preact/signals";
import { clock, day, t as shared } from "../i18n";
import { me } from "../room/store";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { ApiError, inWords } from "../api/client";
import { change, forget, look, revoke, tablets, type Tablet } from "./room";
import { t, type Key } from "./texts";

const LOW = 20;

export function List() {
  const chosen = useSignal<string | null>(null);
  const listed = tablets.value;
  if (listed === null) return <p aria-busy="true" />;
  if (listed.length === 0) return <p class="empty">{t("list.empty")}</p>;
  const here = listed.filter((one) => one.connected).length;
  const paired = listed.filter((one) => !one.revoked);
  const low = paired.filter((one) => one.battery !== null && one.battery <= LOW).length;
  const one = listed.find((tablet) => tablet.id === chosen.value);
  return (
    <section class="card tablets">
      <h2>
        {t("list.count", { n: paired.length })} · {t("list.here", { n: here })}
        {low > 0 && <> · {t("list.low", { n: low })}</>}
      </h2>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("name")}</th>
            <th scope="col">{t("list.seat")}</th>
            <th scope="col">{t("role")}</th>
            <th scope="col">{t("state")}</th>
            <th scope="col">{t("battery")}</th>
            <th scope="col">{t("version")}</th>
            <th scope="col">{t("contact")}</th>
            <th scope="col">
              <span class="unseen">{t("change")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {listed.map((tablet) => (
            <tr key={tablet.id} data-tablet={tablet.id} class={tablet.revoked ? "gone" : ""}>
              <th scope="row">
                <bdi>{tablet.name}</bdi>
              </th>
              <td data-name={t("list.seat")}>
                <bdi dir="ltr">{tablet.seat}</bdi>
              </td>
              <td data-name={t("role")}>
                {t(tablet.session === null ? (`role.${tablet.role}` as Key) : "role.guest")}
              </td>
              <td data-name={t("state")}>
                <State tablet={tablet} />
              </td>
              <td data-name={t("battery")} class={(tablet.battery ?? 100) <= LOW ? "low" : ""}>
                {tablet.battery === null ? t("unknown") : t("percent", { n: tablet.battery })}
              </td>
              <td data-name={t("version")}>
                <bdi dir="ltr">{tablet.version || t("unknown")}</bdi>
              </td>
              <td data-name={t("contact")}>{when(tablet.last_contact)}</td>
              <td>
                <Button
                  kind="quiet"
                  label={`${t("change")}: ${tablet.name}`}
                  act={() => {
                    chosen.value = tablet.id;
                  }}
                >
                  {t("change")}
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {one && <Change tablet={one} close={() => (chosen.value = null)} />}
    </section>
  );
}

function State({ tablet }: { tablet: Tablet }) {
  const [mark, key]: [string, Key] = tablet.revoked
    ? ["bad", "state.revoked"]
    : tablet.connected
      ? ["good", "state.here"]
      : ["off", "state.away"];
  return (
    <span class="state">
      <span class={`mark ${mark}`} aria-hidden="true" /> {t(key)}
    </span>
  );
}

function when(at: number | null): string {
  if (at === null) return t("never");
  const zone = me.value?.timezone ?? "UTC";
  const then = new Date(at);
  const recent = Date.now() - at < 20 * 3600 * 1000;
  return recent ? clock(then, zone) : `${day(then, zone, "medium")}, ${clock(then, zone)}`;
}

function Change({ tablet, close }: { tablet: Tablet; close: () => void }) {
  const name = useSignal(tablet.name);
  const seat = useSignal(tablet.seat);
  const sure = useSignal(false);
  const taken = useSignal(false);
  const wrong = useSignal("");
  const save = async () => {
    wrong.value = "";
    const to = {
      ...(name.value.trim() !== tablet.name && { name: name.value.trim() }),
      ...(seat.value.trim() !== tablet.seat && { seat: seat.value.trim(), swap: taken.value }),
    };
    try {
      if (Object.keys(to).length > 0) await change(tablet.id, to);
      await look();
      close();
    } catch (error) {
      taken.value = error instanceof ApiError && error.code === "seat_taken";
      wrong.value = inWords(error);
    }
  };
  const end = async () => {
    if (!tablet.revoked && !sure.value) {
      sure.value = true;
      return;
    }
    if (await (tablet.revoked ? forget(tablet.id) : revoke(tablet.id))) close();
  };
  return (
    <Dialog title={tablet.name} close={close}>
      <form
        class="name-form"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label class="field">
          <span>{t("name")}</span>
          <input
            required
            maxLength={60}
            value={name.value}
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>{t("list.seat")}</span>
          <input
            required
            dir="ltr"
            pattern="[A-Za-z0-9_\-]{1,40}"
            value={seat.value}
            onInput={(event) => {
              seat.value = event.currentTarget.value;
              taken.value = false;
            }}
          />
        </label>
        <p role="alert" class="login-note">
          {sure.value ? t("revoke.sure") : wrong.value}
        </p>
        <div class="dialog-actions">
          <button type="submit" class="button main" disabled={tablet.revoked}>
            {t(taken.value ? "swap" : "save")}
          </button>
          <Button kind="danger" act={end}>
            {t(tablet.revoked ? "forget" : "revoke")}
          </Button>
          <Button local act={close}>
            {shared("action.cancel")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

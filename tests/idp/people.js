// People at the provider: who signs in is whom the client's setting `sub` names, and agrees, unless `decline` says otherwise.
// Browsers do the rest as ever: the device form, redirects, cookies (tests/e2e/mxtest/browser.py).

export function people({ setting, resource }) {
  return {
    url: (ctx, interaction) => `/interaction/${interaction.uid}`,
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form, out, err) => { ctx.body = page(err ? `<p class="error">${err.name}</p>` : '', form); },
      userCodeConfirmSource: (ctx, form) => { ctx.body = page('<p>Is that the code that you see?</p>', form); },
      successSource: (ctx) => { ctx.body = page('<p class="done">done</p>'); },
    },

    // Answers the interaction that a browser was sent to; false: the request is none.
    async interaction(ctx, provider) {
      if (!/^\/interaction\/[\w-]+$/.test(ctx.path)) return false;
      const { params, prompt } = await provider.interactionDetails(ctx.req, ctx.res);
      const id = params.client_id;
      const accountId = setting(id, 'sub') ?? 'somebody';
      let result;
      if (setting(id, 'decline')) {
        result = { error: 'access_denied', error_description: 'the owner does not want that' };
      } else if (prompt.name === 'login') {
        result = { login: { accountId } };
      } else {
        const grant = new provider.Grant({ accountId, clientId: id });
        grant.addOIDCScope('openid offline_access mail');
        grant.addResourceScope(resource, 'mail');
        result = { consent: { grantId: await grant.save() } };
      }
      ctx.status = 303;
      ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
      ctx.status = 303;
      return true;
    },
  };
}

const page = (...parts) => `<!DOCTYPE html>\n<html><body>${parts.join('\n')}</body></html>\n`;

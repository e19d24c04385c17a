"""Who may call: the user pool, its groups and scopes, a client for browsers, and machine clients."""

from aws_cdk import Aws, Duration, aws_cognito
from aws_cdk.aws_cognito import OAuthScope, ResourceServerScope
from constructs import Construct

from infrastructure import resources
from infrastructure.stack import removal
from infrastructure.stages import Stage


class Users:
    def __init__(self, scope: Construct, stage: Stage) -> None:
        self._scope = scope
        self.pool = _pool(scope, stage)
        for group in resources.GROUPS:
            aws_cognito.CfnUserPoolGroup(
                scope, f"Group{group.title()}", user_pool_id=self.pool.user_pool_id, group_name=group
            )
        scopes = self._scopes()
        self.browser = self._browser(stage, scopes)
        self.machines = {name: self._machine(name, scopes) for name in resources.MACHINE_SCOPES}
        prefix = f"tagged-image-manager-{stage.name}-{Aws.ACCOUNT_ID}"
        self.domain = self.pool.add_domain(
            "Domain", cognito_domain=aws_cognito.CognitoDomainOptions(domain_prefix=prefix)
        )

    def _scopes(self) -> dict[str, OAuthScope]:
        scopes = {
            name: ResourceServerScope(scope_name=name, scope_description=said)
            for name, said in resources.SCOPES.items()
        }
        server = self.pool.add_resource_server(
            "Api", identifier=resources.RESOURCE_SERVER, scopes=list(scopes.values())
        )
        return {name: OAuthScope.resource_server(server, each) for name, each in scopes.items()}

    def _browser(self, stage: Stage, scopes: dict[str, OAuthScope]) -> aws_cognito.UserPoolClient:
        """A public client: it has no secret, and proves by PKCE that it is the one that asked."""
        return self.pool.add_client(
            "Browser",
            generate_secret=False,
            auth_flows=aws_cognito.AuthFlow(user_srp=True),
            o_auth=aws_cognito.OAuthSettings(
                flows=aws_cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[OAuthScope.OPENID, *scopes.values()],
                callback_urls=list(stage.callbacks),
                logout_urls=list(stage.callbacks),
            ),
            supported_identity_providers=[aws_cognito.UserPoolClientIdentityProvider.COGNITO],
            prevent_user_existence_errors=True,
            access_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30),
        )

    def _machine(self, permission: str, scopes: dict[str, OAuthScope]) -> aws_cognito.UserPoolClient:
        """A client with a secret, for programs that have this permission. The one for `write` has the id of the client
        that was once the only one: under a new id it would be replaced, and its secret deleted."""
        return self.pool.add_client(
            "Machine" if permission == "write" else f"Machine{permission.title()}",
            generate_secret=True,
            o_auth=aws_cognito.OAuthSettings(
                flows=aws_cognito.OAuthFlows(client_credentials=True),
                scopes=[scopes[name] for name in resources.MACHINE_SCOPES[permission]],
            ),
            access_token_validity=Duration.hours(1),
        )


def _pool(scope: Construct, stage: Stage) -> aws_cognito.UserPool:
    return aws_cognito.UserPool(
        scope,
        "Users",
        self_sign_up_enabled=False,
        sign_in_aliases=aws_cognito.SignInAliases(username=True, email=True),
        sign_in_case_sensitive=False,
        account_recovery=aws_cognito.AccountRecovery.EMAIL_ONLY,
        mfa=aws_cognito.Mfa.OPTIONAL,
        mfa_second_factor=aws_cognito.MfaSecondFactor(otp=True, sms=False),
        password_policy=aws_cognito.PasswordPolicy(
            min_length=12, require_digits=True, require_lowercase=True, require_symbols=True, require_uppercase=True
        ),
        deletion_protection=stage.deletion_protection,
        removal_policy=removal.of_data(stage),
    )

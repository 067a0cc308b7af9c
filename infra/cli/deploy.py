"""`deploy`, `destroy`: a stack on AWS."""

from typing import Annotated

import typer

from infra.account import Account
from infra.cli.console import print_json, say
from infra.cli.context import chosen
from infra.cli.engine_change import warn_of_change
from infra.deploy import Deployment, exists
from infra.deploy import deploy as deploy_stack
from infra.deploy import destroy as destroy_stack
from infra.enrolling import engine_of
from infra.target import Target
from sightline.errors import ConfigError

app = typer.Typer()


@app.command()
def deploy(
    context: typer.Context,
    image_uri: Annotated[str, typer.Option(help="The function's container image in ECR.")] = "",
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A template parameter.")
    ] = None,
) -> None:
    """Deploy the template to AWS, or bring a stack there up to date.

    --stack, --region and --profile, before the command, say where.
    """
    account, stack = _aws(context)
    choice = chosen(context)
    parameters = {}
    for given in parameter or []:
        name, separator, value = given.partition("=")
        if not separator:
            raise ConfigError(f"--parameter {given!r}: write NAME=VALUE, such as FrameDays=3")
        parameters[name] = value
    if image_uri:
        parameters |= {"PackageType": "Image", "ImageUri": image_uri}
    elif "PackageType" not in parameters and not exists(account, stack):
        raise ConfigError(
            "give the function's container image with --image-uri: a Zip of this code alone holds "
            "neither the networks nor what runs them (--parameter PackageType=Zip insists)"
        )
    outputs = deploy_stack(account, Deployment(stack=stack, parameters=parameters), say)
    print_json(outputs)
    where = Target.aws(stack, choice.region, choice.profile)
    warn_of_change(where, engine_of(where))


@app.command()
def destroy(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a stack on AWS; what holds people's data is kept, and named."""
    account, stack = _aws(context)
    if not yes:
        typer.confirm(f"Delete the stack {stack} in {account.region}?", abort=True, err=True)
    destroy_stack(account, stack, say)


def _aws(context: typer.Context) -> tuple[Account, str]:
    choice = chosen(context)
    return Account(region=choice.region, profile=choice.profile), choice.stack or "sightline"

"""The console's one form."""

from django import forms

MAX_DAYS = 30


class NewInvitation(forms.Form):
    """Whom to invite, and for how long the link is good."""

    email = forms.EmailField(label="E-mail address", required=False, max_length=150)
    days = forms.IntegerField(label="Good for, days", min_value=1, max_value=MAX_DAYS)

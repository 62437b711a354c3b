"""What ``scripts/quickstart.sh --model NAME`` decides: does it fit here, and how is it started?"""
